import { EXIT, OpenClawError } from '../errors/index.ts';
import { type Duration, durationMs } from './duration.ts';

export interface ConcurrencyOptions<Payload> {
  /** Runs at once with the same key, on all workers and hosts together. */
  limit: number;
  /** Of a run's payload, for example `(payload) => payload.host`. Without it all runs of the task count together. */
  key?: (payload: Payload) => unknown;
}

/** A text, or the path of a value in the payload; joined they are the key. */
export type KeyPart = string | readonly string[];

export interface TaskLimits {
  /** Null: any number at once. */
  readonly limit: number | null;
  /** Parts that Postgres joins by itself; a function where the key is more than that, which only a worker can call. */
  readonly key: readonly KeyPart[] | ((payload: never) => unknown);
  /** Between two starts; null: none. */
  readonly intervalMs: number | null;
}

/** @throws E_TASK_DEFINITION. */
export function limitsOf<Payload>(
  title: string,
  concurrency: ConcurrencyOptions<Payload> | number | undefined,
  rate: string | undefined,
): TaskLimits | null {
  if (concurrency === undefined && rate === undefined) return null;
  const { limit, key } = typeof concurrency === 'number' ? { limit: concurrency } : (concurrency ?? { limit: null });
  const fault = (option: string, value: unknown, expected: string) =>
    new OpenClawError('E_TASK_DEFINITION', `${option} of task "${title}" is ${value}, expected ${expected}`, {
      exitCode: EXIT.config,
    });
  if (limit !== null && !(Number.isInteger(limit) && limit >= 1 && limit <= 10_000))
    throw fault('concurrency.limit', limit, 'a whole number from 1 to 10000');
  if (key !== undefined && typeof key !== 'function') throw fault('concurrency.key', key, '(payload) => payload.host');
  return {
    limit,
    key: key === undefined ? [] : (partsOf(key as (payload: never) => unknown) ?? (key as (payload: never) => unknown)),
    intervalMs: rate === undefined ? null : intervalOf(rate, fault),
  };
}

/** `1/s`, `100/h`, `2/500 ms`: starts, evenly spaced. */
function intervalOf(rate: string, fault: (option: string, value: unknown, expected: string) => Error): number {
  const [, count, per] = /^\s*(\d{1,6})\s*\/\s*(.+)$/.exec(String(rate)) ?? [];
  const wrong = fault('rate', `"${rate}"`, 'starts per time, for example "1/s", "100/h" or "2/500 ms"');
  if (!Number(count) || per === undefined) throw wrong;
  let perMs: number;
  try {
    perMs = durationMs((/^\d/.test(per) ? per : `1 ${per}`) as Duration);
  } catch {
    throw wrong;
  }
  const intervalMs = perMs / Number(count);
  if (!(intervalMs >= 1 && intervalMs <= 31 * 86_400_000))
    throw fault('rate', `"${rate}"`, 'one start each 1 ms to 31 days');
  return intervalMs;
}

const MARK = '\u0001';

/**
 * What a key function reads, where it does nothing but read values of the payload and join them: so that Postgres can tell the
 * key of a job when it is asked for. It is called with a payload that notes what is read, and believed only where its results
 * for a few payloads are those of the parts. Undefined: it does more.
 */
function partsOf(key: (payload: never) => unknown): KeyPart[] | undefined {
  try {
    const read = new Set<string>();
    const result = key(recorder([], read) as never);
    const path = pathOf.get(result as object);
    const parts = path ? [path] : typeof result === 'string' ? split(result) : [];
    const used = new Set(parts.filter((part) => typeof part !== 'string').map((part) => JSON.stringify(part)));
    const leaves = [...read].filter((one) => used.has(one) || ![...used].some((other) => isWithin(other, one)));
    if (used.size === 0 || leaves.some((one) => !used.has(one))) return undefined;
    const samples = ['A1', '', 7, 'b/c'].map((leaf) => sample(parts, leaf));
    const agree = samples.every((payload) => String(key(payload as never) ?? '') === joined(parts, payload));
    // A missing value is a missing key, unless the function says what stands for it.
    const missing = path?.length === 1 ? key({} as never) : undefined;
    return agree && missing === undefined ? parts : undefined;
  } catch {
    return undefined;
  }
}

const pathOf = new WeakMap<object, string[]>();

function recorder(path: string[], read: Set<string>): object {
  const proxy = new Proxy(Object.create(null), {
    get: (_target, name) => {
      if (name === Symbol.toPrimitive) return () => `${MARK}${JSON.stringify(path)}${MARK}`;
      if (typeof name === 'symbol') throw new Error('not a plain reading');
      const below = [...path, name];
      read.add(JSON.stringify(below));
      return recorder(below, read);
    },
  });
  pathOf.set(proxy, path);
  return proxy;
}

function split(text: string): KeyPart[] {
  return text
    .split(MARK)
    .map((part, at) => (at % 2 === 1 ? (JSON.parse(part) as string[]) : part))
    .filter((part) => part !== '');
}

/** Whether `inner` only leads to `outer`: reading a.b reads a. */
function isWithin(outer: string, inner: string): boolean {
  const [long, short] = [JSON.parse(outer), JSON.parse(inner)] as [string[], string[]];
  return short.length < long.length && short.every((name, at) => long[at] === name);
}

function sample(parts: readonly KeyPart[], leaf: unknown): Record<string, unknown> {
  const payload: Record<string, unknown> = {};
  for (const part of parts) {
    if (typeof part === 'string') continue;
    let at = payload;
    for (const name of part.slice(0, -1)) {
      at[name] ??= {};
      at = at[name] as Record<string, unknown>;
    }
    at[part.at(-1)!] = leaf;
  }
  return payload;
}

function joined(parts: readonly KeyPart[], payload: unknown): string {
  const value = (path: readonly string[]) =>
    path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], payload);
  return parts.map((part) => (typeof part === 'string' ? part : String(value(part) ?? ''))).join('');
}

/** What only a worker knows: the key of this payload, null where Postgres tells it. */
export function keyBy({ key }: TaskLimits, payload: unknown): string | null {
  return typeof key === 'function' ? String(key(payload as never) ?? '') : null;
}

/** As ops_tasks has it. */
export function limitsRow(limits: TaskLimits | null): Record<string, unknown> | null {
  if (limits === null) return null;
  return {
    ...(limits.limit !== null && { limit: limits.limit }),
    key: typeof limits.key === 'function' ? 'function' : limits.key,
    ...(limits.intervalMs !== null && { interval_ms: limits.intervalMs }),
  };
}
