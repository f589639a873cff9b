import { defineAgent, handler, z } from '../../lib/agents/index.ts';
import { namedPlans } from '../../lib/missions/planFiles.ts';

export default defineAgent({
  handlers: {
    message: handler({
      title: 'Somebody says what they want',
      payload: z.object({ text: z.string().max(4096) }).loose(),
      run: async ({ text }, { config, message, reply }) => {
        const words = text.toLowerCase().match(/[a-z0-9]{3,}/g) ?? [];
        const plans = [...(await namedPlans(config)).keys()];
        const near = plans.filter((plan) => words.some((word) => plan.includes(word)));
        const shown = (near.length > 0 ? near : plans).slice(0, 8);
        reply('No model is set up to make a plan of that. These plans are there:', {
          buttons: message.untrusted ? [] : shown.map((plan) => [{ label: plan, action: 'new', args: [plan] }]),
        });
        return { plans: shown };
      },
    }),
  },
});
