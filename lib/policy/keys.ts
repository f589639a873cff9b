import { z } from 'zod';
import { EFFECTS } from '../tasks/types.ts';

/** A length of time that Postgres reads as an interval and durationMs() as ms. */
const duration = z.string().regex(/^[1-9][0-9]{0,5} ?(ms|s|sec|seconds?|min|minutes?|h|hours?|d|days?)$/);
/** A task, a kind of mission, an agent, a provider. */
const name = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_./:-]{0,127}$/);
/** A time of the day, or nothing. */
const clockTime = z.string().regex(/^(([01][0-9]|2[0-3]):[0-5][0-9])?$/);
const usd = z.number().min(0).max(1_000_000);
const count = z.int().min(0).max(1_000_000_000);
const decision = z.enum(['auto', 'ask', 'refuse']);
const byEffect = z.strictObject({ read: decision, write: decision, outside: decision });
const limits = z.strictObject({ day: usd.optional(), month: usd.optional() });

interface PolicyKey {
  readonly schema: z.ZodType;
  /** For an operator: what it decides, and what happens at its edges. */
  readonly doc: string;
}

function key<Schema extends z.ZodType>(schema: Schema, doc: string) {
  return { schema, doc } satisfies PolicyKey;
}

/**
 * Every key of policy. The database holds the same schemas (ops_policy_keys) and refuses what does not fit, whoever writes it; a test
 * compares the two. A key that is missing or malformed means no to whatever asks for it.
 */
export const POLICY_KEYS = {
  'alerts.limits': key(
    z.strictObject({ per_fingerprint: duration, bucket: z.int().min(1).max(1000), digest: duration }),
    'One alert a fingerprint within `per_fingerprint`, `bucket` alerts an hour in all, one digest of what was held back within `digest`.',
  ),
  'alerts.quiet': key(
    z.strictObject({
      from: clockTime,
      to: clockTime,
      zone: z.string().regex(/^[A-Za-z0-9_+/-]{1,64}$/),
      below: z.enum(['warning', 'error', 'critical']),
    }),
    'Quiet hours, as "22:00" to "07:00" of that zone: alerts below that severity wait for the digest. Empty: none.',
  ),
  'approvals.sql': key(
    z.strictObject({
      kinds: z.array(z.enum(['step', 'unknown', 'code', 'proposal', 'learning'])),
      own: z.boolean(),
    }),
    'Which kinds of approval the limited SQL role may answer, and whether also those that its own requests have raised. What only an owner may answer stays the owner’s.',
  ),
  'backup.keep_local': key(
    z.int().min(1).max(10_000),
    'Verified archives that stay on this machine; older ones go after a run that went well. The newest verified one always stays.',
  ),
  'backup.keep_remote': key(
    z.strictObject({
      newest: z.int().min(1).max(10_000),
      weekly: z.int().min(0).max(520),
      monthly: z.int().min(0).max(240),
    }),
    'Archives that stay on Drive: the newest, and before them the last one of so many weeks and of so many months.',
  ),
  'backup.uploads_limit_mb': key(
    z.int().min(0).max(1_000_000),
    'Uploads go into an archive, the newest first, up to this many MiB; the manifest names what is left out.',
  ),
  'breaker.missions': key(
    z.strictObject({ failures: z.int().min(1).max(1000), open: duration, max: duration, probe: duration }),
    'After `failures` failed missions of one kind in a row its breaker opens for `open`, and for twice as long after each failed probe, at most `max`. Then one mission may try (the probe); the others wait for its end, at most `probe`.',
  ),
  'breaker.services': key(
    z.strictObject({ failures: z.int().min(1).max(1000), open: duration, max: duration, probe: duration }),
    'The same for calls to a service outside: `failures` failed calls in a row, from whatever process.',
  ),
  'budget.agents': key(
    z.record(name, limits),
    'USD that one agent may spend on models and searches in a UTC day and month, beside the limits for all. {"scout": {"day": 1}}. An agent that is not named has no limit of its own.',
  ),
  'budget.calls': key(
    z.array(z.strictObject({ provider: name, calls: z.int().min(1).max(1_000_000), window: duration })).max(100),
    'Calls to a provider within a sliding window, whatever they cost: [{"provider": "minimax", "calls": 300, "window": "5 h"}].',
  ),
  'budget.providers': key(
    z.record(name, limits),
    'USD that may be spent with one provider in a UTC day and month, beside the limits for all.',
  ),
  'budget.usd': key(
    z.strictObject({ day: usd, month: usd, mission: usd }),
    'USD for model and search calls: in a UTC day, in a month, and by one mission. At 75 and 90 % an event warns, at 100 % calls are refused until the period turns. 0 stops all calls that cost.',
  ),
  'gate.approval': key(
    z.strictObject({ person: byEffect, cron: byEffect, machine: byEffect, untrusted: byEffect }),
    'What happens to a mission by who asks for it and what it changes. person: command line, Telegram, screen. cron: the schedules. machine: an agent, a rule, SQL, another mission. untrusted: added to either when data from outside reach a step of that effect; the stricter one holds. auto starts it, ask asks a person, refuse refuses.',
  ),
  'gate.auto_approve': key(
    z.array(name).max(500),
    'Kinds of mission that start without asking, where gate.approval says ask; also a mission whose steps are all of these tasks. Data from outside still ask.',
  ),
  'gate.caps': key(
    z.strictObject({ active_missions: count, steps_per_day: count }),
    'How many missions may be open at once, and how many steps may be admitted in a UTC day. More are refused, with a row that says so.',
  ),
  'gate.proposals': key(
    z.strictObject({ expire: duration }),
    'How long a proposal waits for its answer. Nobody answers: it expires, and nothing starts.',
  ),
  'learning.auto': key(
    z.array(z.enum(['timeout', 'retries', 'provider_order', 'stop', 'breaker'])).max(5),
    'Changes that the learner makes without asking. They are watched, and undone when they do worse.',
  ),
  'providers.order': key(
    z.array(name).max(50),
    'The order in which model providers are asked, before config/providers/failover.json; those that are not named come after. [] leaves it to that file.',
  ),
  'quota.tasks': key(
    z.record(name, count),
    'Starts of a task in a UTC day, counted when it is started: a failed run spends one too, and so does a retry. What is over it waits for the next day. A task that is not named has no quota; 0 stops it.',
  ),
  'retention.events': key(duration, 'How long events, acts and outcomes are kept.'),
  'retention.heartbeats': key(duration, 'How long beats of the agents are kept.'),
  'retention.jobs_failed': key(duration, 'How long jobs are kept that failed or were cancelled.'),
  'retention.jobs_ok': key(duration, 'How long jobs are kept that went well.'),
  'retention.logs': key(duration, 'How long log files are kept.'),
  'retention.messages': key(duration, 'How long messages are kept that came in, went out, or that agents were told.'),
  'retention.missions': key(duration, 'How long ended missions are kept, with their steps and proposals.'),
  'retention.workers': key(duration, 'How long workers that ended stay in the registry.'),
  'sql.allow': key(
    z.strictObject({ effects: z.array(z.enum(EFFECTS)), tasks: z.array(name), except: z.array(name) }),
    'The tasks that the limited SQL role may queue: those of these effects and those named, without the exceptions.',
  ),
  'task.retries': key(
    z.record(name, z.int().min(0).max(99)),
    'Attempts after the first, in place of what the task says itself (3 unless it says otherwise). {"deploy": 1, "backup": 5}. For work that is asked for from then on.',
  ),
  'task.timeouts': key(
    z.record(name, z.int().min(1).max(604_800_000)),
    'Milliseconds that one attempt of a task may take, in place of what the task says itself. For work that is asked for from then on.',
  ),
} as const;

export type PolicyName = keyof typeof POLICY_KEYS;
export type PolicyValue<Name extends PolicyName> = z.output<(typeof POLICY_KEYS)[Name]['schema']>;

/** Null for a name that is no key. */
export function policyKey(wanted: string): PolicyKey | null {
  return Object.hasOwn(POLICY_KEYS, wanted) ? POLICY_KEYS[wanted as PolicyName] : null;
}

/** The schema of a key as the database keeps it. */
export function schemaOf(policyName: PolicyName): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(POLICY_KEYS[policyName].schema);
  return schema;
}
