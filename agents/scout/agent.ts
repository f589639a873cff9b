import { defineAgent, handler } from '../../lib/agents/index.ts';
import { watchAgents } from '../../lib/watch/index.ts';
import { REQUEST, researchText, runDueInterest, runResearch } from './research.ts';

export default defineAgent({
  handlers: {
    research: handler({
      title: 'Researches a question and answers with what it found',
      payload: REQUEST,
      run: async ({ budget_usd, ...request }, context) => {
        const { message } = context;
        const result = await runResearch(
          context,
          { ...request, budgetUsd: budget_usd },
          `message:${message.id}`,
          message.traceId,
        );
        context.reply(researchText(result));
        return {
          signals: result.signals.map(({ id }) => id),
          by: result.by,
          cost_usd: result.cost_usd,
          notes: result.notes,
        };
      },
    }),
  },
  ticks: [
    {
      name: 'interests',
      cron: '*/20 * * * * *',
      run: async (context) => {
        await runDueInterest(context);
      },
    },
    // Who watches the watcher: Atlas's silence is seen from here.
    {
      name: 'peers',
      cron: '*/10 * * * * *',
      run: ({ db, agent }) => watchAgents(db, { watcher: agent, mayRestart: false }),
    },
  ],
});
