import { defineAgent, handler, z } from '../../lib/agents/index.ts';
import { planGoal, plannedText } from '../../lib/planner/index.ts';
import { settingsOf } from '../../lib/providers/index.ts';

export default defineAgent({
  handlers: {
    message: handler({
      title: 'Somebody says what they want: a plan of it goes to the gate, or the plans that there are, are shown',
      payload: z.object({ text: z.string().min(1).max(4096) }).loose(),
      run: async ({ text }, { config, db, log, message, reply, signal }) => {
        const planned = await planGoal(
          { db, config, log, settings: settingsOf(config, log) },
          {
            // What was forwarded is material for a plan, never the order for one.
            words: message.untrusted ? 'Say what this forwarded message asks for, as a note' : text,
            ...(message.untrusted && { material: text, untrusted: true }),
            origin: { agent: 'milkbot', traceId: message.traceId, run: `goal:${message.traceId}` },
            signal,
          },
        );
        const suggestions = planned.outcome === 'proposed' ? [] : planned.suggestions.slice(0, 6);
        reply(plannedText(planned), {
          buttons: suggestions.map(({ name }) => [{ label: name, action: 'new', args: [name] }]),
        });
        return { outcome: planned.outcome };
      },
    }),
  },
});
