import { z } from 'zod';
import type { Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';

/** A rule as a file, `rules add` and put_rule() take it. Durations are Postgres intervals; paths are SQL/JSON paths. */
export const RULE = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,62}$/),
  description: z.string().optional(),
  enabled: z.boolean().optional(),
  kind: z.string(),
  source: z.string().optional(),
  tags_all: z.array(z.string()).optional(),
  tags_any: z.array(z.string()).optional(),
  condition: z.string().optional(),
  probability: z.number().min(0).max(1).optional(),
  cooldown: z.string().optional(),
  cooldown_key: z.string().optional(),
  daily_cap: z.number().int().positive().optional(),
  priority: z.number().int().optional(),
  scope: z.enum(['all', 'trusted', 'root']).optional(),
  agent: z.string().optional(),
  plan: z.record(z.string(), z.unknown()).optional(),
  dedupe: z.string().optional(),
  over: z.string().optional(),
  at_least: z.number().int().positive().optional(),
  absent: z.boolean().optional(),
});
export type Rule = z.infer<typeof RULE>;

const event = (path: string, fallback?: unknown) => ({
  $path: `$.input.event.${path}`,
  ...(fallback !== undefined && { default: fallback }),
});

/** Rules that come with the system. What an operator switched off stays off; what an operator wrote anew is not touched. */
export const BUILTIN_RULES: readonly Rule[] = [
  {
    name: 'mission_failed',
    description:
      'A mission that failed is looked into: which step, which error, how often before; a report is written.',
    kind: 'mission.failed',
    scope: 'root',
    cooldown: '10 minutes',
    cooldown_key: '$.payload.kind',
    daily_cap: 50,
    dedupe: 'diagnose-m{mission_id}',
    plan: {
      kind: 'diagnose',
      title: 'Look into a failed mission',
      steps: [
        { name: 'diagnose', task: 'diagnose', payload: { mission_id: event('mission_id') } },
        {
          name: 'report',
          task: 'write_note',
          needs: ['diagnose'],
          payload: {
            path: 'reports/diagnosis-{id}.md',
            title: 'A mission failed',
            sections: [{ title: 'What is known', value: { $path: '$.steps.diagnose.output' } }],
          },
        },
      ],
    },
  },
  {
    name: 'signal_strong',
    description:
      'A signal of high confidence is looked into more deeply; what it rests on comes from outside, so a person is asked.',
    kind: 'signal.found',
    condition: '$.payload.confidence >= 0.85',
    cooldown: '1 hour',
    cooldown_key: '$.payload.asset',
    daily_cap: 5,
    dedupe: 'signal-{payload.signal}',
    plan: {
      kind: 'signal_research',
      title: 'Look into a strong signal',
      steps: [
        {
          name: 'research',
          task: 'research',
          payload: { query: event('payload.title'), depth: 'deep' },
        },
        {
          name: 'report',
          task: 'write_note',
          needs: ['research'],
          payload: {
            path: 'reports/signal-{id}.md',
            title: 'A strong signal, looked into',
            sections: [
              { title: 'The signal', value: { $path: '$.input.event.payload' } },
              { title: 'What was found', value: { $path: '$.steps.research.output' } },
            ],
          },
        },
      ],
    },
  },
  {
    name: 'failures_repeat',
    description: 'Three missions of one kind failed within an hour: the operator is asked whether to pause that kind.',
    kind: 'mission.failed',
    over: '1 hour',
    at_least: 3,
    cooldown_key: '$.payload.kind',
    cooldown: '6 hours',
    dedupe: 'pause-{payload.key}',
    plan: {
      kind: 'propose_pause',
      title: 'Missions of one kind keep failing',
      steps: [
        {
          name: 'ask',
          task: 'propose_pause',
          payload: { kind: event('payload.key'), failures: event('payload.count') },
        },
      ],
    },
  },
];

/**
 * Writes the built-in rules that are new or have changed. One that this installation cannot carry (its plan names a task that is
 * not there) is passed over and told: a rule must not keep a worker from working.
 */
export async function registerBuiltinRules(db: Queryable, log: Pick<Logger, 'error'>): Promise<void> {
  for (const rule of BUILTIN_RULES) {
    try {
      await db.query(
        "select put_rule($1) where not exists (select from ops_reaction_rules where name = $2 and actor <> 'system')",
        [JSON.stringify(rule), rule.name],
      );
    } catch (error) {
      if (!/^OC0/.test((error as { code?: string }).code ?? '')) throw error;
      log.error({ err: error, rule: rule.name }, 'a built-in rule is refused; the others are in force');
    }
  }
}
