import { z } from 'zod';
import type { AgentContext } from '../../lib/agents/index.ts';
import { messageOf } from '../../lib/errors/index.ts';
import { scrub } from '../../lib/log/index.ts';
import { settingsOf } from '../../lib/providers/index.ts';
import { type ResearchRequest, type ResearchResult, research } from '../../lib/research/index.ts';
import { FRESHNESS, VENUES } from '../../lib/search/index.ts';
import { writeNote } from '../../lib/workspace/index.ts';

export const REQUEST = z.object({
  query: z.string().trim().min(3).max(400),
  depth: z.enum(['quick', 'deep']).default('quick'),
  venue: z.enum(VENUES).optional(),
  freshness: z.enum(FRESHNESS).optional(),
  asset: z.string().min(1).max(100).optional(),
  budget_usd: z.number().positive().max(100).default(0.1),
});

export async function runResearch(
  context: AgentContext,
  request: Omit<ResearchRequest, 'origin' | 'signal'>,
  run: string,
  traceId?: string,
): Promise<ResearchResult> {
  const { db, config, log, signal, agent } = context;
  const result = await research(
    { db, config, log, settings: settingsOf(config, log) },
    { ...request, origin: { agent, run, traceId }, signal },
  );
  await note(context, result).catch((error: unknown) =>
    log.warn({ err: error }, 'the note of a research was not written; its signals are stored'),
  );
  return result;
}

/** A day's findings as one note; what was quoted stays quoted. */
async function note({ config }: AgentContext, { query, by, summary, signals }: ResearchResult): Promise<void> {
  const [date, time] = new Date().toISOString().slice(0, 16).split('T') as [string, string];
  const lines = signals.map(
    ({ type, asset, title, confidence, risk_level, sources }) =>
      `- ${type}, ${asset}: ${title} (sure ${confidence}, risk ${risk_level}) ${sources[0] ?? ''}`,
  );
  const content = [
    `## ${time} UTC: ${query}`,
    '',
    `Found on the web, ${by === 'model' ? 'judged by a model' : 'not judged'}; not verified.`,
    '',
    `> ${summary.replaceAll('\n', '\n> ')}`,
    '',
    ...lines,
    '',
    '',
  ].join('\n');
  await writeNote({
    root: config.layout.workspace,
    path: `intelligence_agent/${date}.md`,
    content: scrub(content),
    mode: 'append',
  });
}

/** For a phone: how much, what it costs, the best first. */
export function researchText({ summary, signals, cost_usd, by, notes }: ResearchResult): string {
  const top = [...signals].sort((a, b) => b.score - a.score).slice(0, 5);
  const lines = top.map(
    ({ type, asset, title, confidence }) => `- ${type}, ${asset}: ${title} (${Math.round(confidence * 100)} %)`,
  );
  const missing = by === 'links' ? notes.filter((line) => line.startsWith('no model')) : [];
  return [summary, ...lines, `From the web, not verified. $${cost_usd.toFixed(4)}.`, ...missing].join('\n');
}

interface Interest {
  id: string;
  query: string;
  asset: string | null;
  venue: 'brave' | 'perplexity' | null;
  depth: 'quick' | 'deep';
  budget_usd: string;
  runs: number;
}

/** One interest that is due, if any. A fault of one is noted on its row and leaves the others to run. */
export async function runDueInterest(context: AgentContext): Promise<boolean> {
  const { rows } = await context.db.query<Interest>('select * from claim_due_interest()');
  const due = rows[0];
  if (!due) return false;
  let fault: string | null = null;
  try {
    await runResearch(
      context,
      {
        query: due.query,
        depth: due.depth,
        venue: due.venue ?? undefined,
        asset: due.asset ?? undefined,
        budgetUsd: Number(due.budget_usd),
        interestId: due.id,
      },
      `interest:${due.id}:${due.runs}`,
    );
  } catch (error) {
    if (context.signal.aborted) throw error;
    fault = scrub(messageOf(error)).slice(0, 500);
    context.log.warn({ err: error, interest: due.id }, 'an interest was not looked after; its next time comes');
  }
  await context.db.query('select end_interest_run($1, $2)', [due.id, fault]);
  return true;
}
