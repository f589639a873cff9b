import type { Queryable } from '../db/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { POLICY_KEYS, type PolicyName, type PolicyValue } from './keys.ts';

type Asker = Pick<Queryable, 'query'>;

/** The value in force. @throws E_POLICY when it is missing or malformed: to whoever asks, that means no. */
export async function readPolicy<Name extends PolicyName>(db: Asker, name: Name): Promise<PolicyValue<Name>> {
  const { rows } = await db.query<{ value: unknown }>(
    'select value from ops_policy where key = $1 order by version desc limit 1',
    [name],
  );
  return parse(name, rows[0]?.value);
}

function parse<Name extends PolicyName>(name: Name, value: unknown): PolicyValue<Name> {
  const parsed = POLICY_KEYS[name].schema.safeParse(value);
  if (parsed.success) return parsed.data as PolicyValue<Name>;
  const faults = parsed.error.issues.map((issue) => `${[name, ...issue.path].join('.')}: ${issue.message}`);
  throw new OpenClawError('E_POLICY', `policy ${name} is ${value === undefined ? 'missing' : 'malformed'}`, {
    faults: value === undefined ? [] : faults,
    remedy: `openclaw policy explain ${name}`,
    exitCode: EXIT.config,
  });
}

const IN_FORCE_MS = 1000;

/** readPolicy() with a memory of one second, for what is asked often: a change is in force everywhere within that time. */
export function createPolicyReader(db: Asker, maxAgeMs = IN_FORCE_MS) {
  const known = new Map<PolicyName, { value: Promise<unknown>; at: number }>();
  return <Name extends PolicyName>(name: Name): Promise<PolicyValue<Name>> => {
    const entry = known.get(name);
    if (entry && performance.now() - entry.at < maxAgeMs) return entry.value as Promise<PolicyValue<Name>>;
    const value = readPolicy(db, name);
    known.set(name, { value, at: performance.now() });
    // A failure is not remembered: the next caller asks anew.
    value.catch(() => known.get(name)?.value === value && known.delete(name));
    return value;
  };
}

export type PolicyReader = ReturnType<typeof createPolicyReader>;
