import { z } from 'zod';
import { type AgentContext, type AgentMessage, defineAgent, handler } from '../../lib/agents/index.ts';
import { watchAgents } from '../../lib/watch/index.ts';
import { REQUEST, researchText, runDueInterest, runResearch } from './research.ts';
import { requestIn } from './words.ts';

async function answer(
  { budget_usd, ...request }: z.output<typeof REQUEST>,
  context: AgentContext & { readonly message: AgentMessage },
) {
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
}

export default defineAgent({
  handlers: {
    message: handler({
      title: 'Researches what somebody asks for in words',
      payload: z.object({ text: z.string().min(1).max(4096) }).loose(),
      run: async ({ text }, context) => {
        const request = requestIn(text);
        if (request) return answer(REQUEST.parse(request), context);
        context.reply('What shall I look for? For example: scout, research new releases of Node.js');
      },
    }),
    research: handler({
      title: 'Researches a question and answers with what it found',
      payload: REQUEST,
      run: answer,
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
      run: ({ db, agent }) => watchAgents(db, { watcher: agent, mayRestart: false, upS: process.uptime() }),
    },
  ],
});
