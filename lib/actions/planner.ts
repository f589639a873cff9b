import { randomUUID } from 'node:crypto';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { planGoal, plannedText } from '../planner/index.ts';
import { settingsOf } from '../providers/index.ts';
import type { Action } from './types.ts';

export const plannerActions: readonly Action[] = [
  {
    name: 'missions plan',
    title: 'A goal in words: a model makes a plan of it, the gate gets it as a proposal',
    args: [{ name: 'goal', description: 'what should be reached, in quotes' }],
    who: 'operator',
    danger: 'none',
    example: 'openclaw missions plan "look up what changed in Postgres 18 and write me a note"',
    run: async ({ db, config, log, signal }, { args }) => {
      const words = (args[0] ?? '').trim();
      if (words.length < 5)
        throw new OpenClawError('E_GOAL', 'the goal is empty or too short', {
          expected: 'a sentence',
          exitCode: EXIT.usage,
        });
      const traceId = randomUUID();
      const planned = await planGoal(
        { db, config, log, settings: settingsOf(config, log) },
        { words, origin: { agent: 'milkbot', traceId, run: `goal:${traceId}` }, signal },
      );
      const exitCode =
        planned.outcome === 'proposed'
          ? planned.state === 'rejected'
            ? EXIT.failed
            : EXIT.ok
          : planned.outcome === 'no_model'
            ? EXIT.degraded
            : EXIT.failed;
      return { json: planned, text: plannedText(planned), exitCode };
    },
  },
];
