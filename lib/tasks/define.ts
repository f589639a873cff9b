import type { JobHelpers, Task } from 'graphile-worker';
import { z } from 'zod';
import { EXIT, OpenClawError } from '../errors/index.ts';
import type { DurableContext } from './durable.ts';
import { type Duration, durationMs } from './duration.ts';
import { type ConcurrencyOptions, limitsOf } from './limits.ts';
import { TAKES } from './predicate.ts';
import { EFFECTS, type Effect, POOLS, type PoolName, type TaskContext, type TaskDefinition } from './types.ts';

/** An error that a retry cannot mend: the job fails for good at once. */
export class PermanentError extends OpenClawError {
  constructor(code: string, message: string, details: ConstructorParameters<typeof OpenClawError>[2] = {}) {
    super(code, message, details);
    this.name = 'PermanentError';
  }
}

const RETRY_AFTER_LIMIT_MS = 31 * 86_400_000;

/** An error that says itself when to try again, as a service does with Retry-After. The attempt counts. */
export class RetryAfter extends OpenClawError {
  readonly #at: number;

  /** @param when a length of time from now, or a time. */
  constructor(when: Duration | Date, message: string, details: ConstructorParameters<typeof OpenClawError>[2] = {}) {
    super('E_RETRY_AFTER', message, details);
    this.name = 'RetryAfter';
    this.#at = when instanceof Date ? when.getTime() : Date.now() + durationMs(when);
  }

  /** ms from now, at most 31 days; what is no time is now. */
  delayMs(): number {
    return Math.min(Math.max(0, Math.round(this.#at - Date.now())) || 0, RETRY_AFTER_LIMIT_MS);
  }
}

export interface TaskOptions<Schema extends z.ZodType> {
  title: string;
  /** An object's schema. Its top level is checked when the job is asked for, the rest when it starts. */
  payload: Schema;
  effect: Effect;
  /** Which runner takes it. Default `missions`. */
  pool?: PoolName;
  /** Attempts after the first. Default 3. */
  retries?: number;
  backoff?: { initial?: Duration; factor?: number; max?: Duration };
  /** Of one attempt. Default `5 m`. */
  timeout?: Duration;
  /** For effect `outside`: running it twice is the same as once, so that it may run again after a crash. */
  idempotent?: boolean;
  untrusted?: boolean;
  /** False for an error that a retry cannot mend. */
  retryable?: (error: unknown) => boolean;
  /** A function with steps, sleeps and waits, which runs as a mission of its own; timeout and backoff are then of each step. */
  durable?: boolean;
  /** How many run at once, on all workers and hosts together: a number, or by a key of the payload. */
  concurrency?: number | ConcurrencyOptions<z.output<Schema>>;
  /** How often one may start, on all workers and hosts together: `1/s`, `100/h`. */
  rate?: string;
}

export const DEFINITION: unique symbol = Symbol.for('openclaw.task');

/** What a task file exports: callable by a stock graphile-worker, and carrying its definition for ours. */
export type DefinedTask<Payload = unknown> = Task & {
  readonly [DEFINITION]: TaskDefinition;
  readonly payload?: Payload;
};

/** A timer of Node counts to 2^31 ms; beyond it fires at once. */
const TIMEOUT_LIMIT_MS = 604_800_000;

const DEFAULTS = { pool: 'missions', retries: 3, timeout: '5 m' } as const;

/**
 * Defines the task of this file. The file's name is its identifier.
 *
 * @throws E_TASK_DEFINITION when an option is out of range.
 */
export function defineTask<Schema extends z.ZodType>(
  options: TaskOptions<Schema> & { durable: true },
  run: (payload: z.output<Schema>, context: DurableContext) => Promise<unknown>,
): DefinedTask<z.input<Schema>>;
export function defineTask<Schema extends z.ZodType>(
  options: TaskOptions<Schema>,
  run: (payload: z.output<Schema>, context: TaskContext) => Promise<unknown>,
): DefinedTask<z.input<Schema>>;
export function defineTask<Schema extends z.ZodType>(
  options: TaskOptions<Schema>,
  run: (payload: z.output<Schema>, context: never) => Promise<unknown>,
): DefinedTask<z.input<Schema>> {
  const retries = options.retries ?? DEFAULTS.retries;
  const { initial = '1 s', factor = 2, max = '5 m' } = options.backoff ?? {};
  const timeoutMs = Math.round(durationMs(options.timeout ?? DEFAULTS.timeout));
  const pool = options.pool ?? DEFAULTS.pool;
  // Types hold nobody who writes JavaScript, and one faulty row would keep every task from being registered.
  const expect = (holds: boolean, option: string, value: unknown, expected: string) => {
    if (holds) return;
    const said = `${option} of task "${options.title}" is ${value}, expected ${expected}`;
    throw new OpenClawError('E_TASK_DEFINITION', said, { exitCode: EXIT.config });
  };
  expect(typeof options.title === 'string' && options.title !== '', 'title', options.title, 'a text');
  expect(options.payload instanceof z.ZodType, 'payload', typeof options.payload, 'z.object({...})');
  expect(EFFECTS.includes(options.effect), 'effect', options.effect, EFFECTS.join(', '));
  expect(POOLS.includes(pool), 'pool', pool, POOLS.join(', '));
  expect(Number.isInteger(retries) && retries >= 0 && retries <= 99, 'retries', retries, 'a whole number from 0 to 99');
  expect(factor >= 1, 'backoff.factor', factor, 'a number of 1 or more');
  expect(timeoutMs >= 1 && timeoutMs <= TIMEOUT_LIMIT_MS, 'timeout', options.timeout, '1 ms to 7 days');
  expect(typeof run === 'function', 'the second argument', typeof run, 'async (payload, context) => ...');
  const definition: TaskDefinition = {
    title: options.title,
    pool,
    effect: options.effect,
    idempotent: options.idempotent ?? false,
    untrusted: options.untrusted ?? false,
    maxAttempts: retries + 1,
    timeoutMs,
    backoff: { initialMs: durationMs(initial), factor, maxMs: durationMs(max) },
    payloadSchema: schemaOf(options.title, options.payload),
    parse: (payload) => parsePayload(options.payload, payload),
    retryable: options.retryable ?? (() => true),
    durable: options.durable ?? false,
    limits: limitsOf(options.title, options.concurrency, options.rate),
    run: run as unknown as TaskDefinition['run'],
  };
  // A stock worker calls the function itself; ours reads the definition. The import is lazy: a stock worker's start
  // stays lean, and lib/tasks does not depend on what runs it.
  const task: Task = async (payload: unknown, helpers: JobHelpers) => {
    const { runWithHelpers } = await import('./stock.ts');
    await runWithHelpers(definition, payload, helpers);
  };
  return Object.assign(task, { [DEFINITION]: definition });
}

function schemaOf(title: string, schema: z.ZodType): Record<string, unknown> {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: markLenient,
  }) as Record<string, unknown>;
  if (json.type !== 'object') {
    throw new OpenClawError('E_TASK_DEFINITION', `the payload of task "${title}" is not an object's schema`, {
      value: json.type,
      expected: 'z.object({...})',
    });
  }
  delete json.$schema;
  return json;
}

/**
 * Of `coerce`, `preprocess` and `catch`, JSON Schema names what they give. What they take is anything, and a key that `catch`
 * stands for may be missing: the door must not refuse what the task would take.
 */
function markLenient({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: Record<string, unknown> }) {
  const { def } = zodSchema._zod;
  const preprocessed = def.type === 'pipe' && (def.in as z.core.$ZodTypes)._zod.def.type === 'transform';
  if (preprocessed || def.type === 'catch' || ('coerce' in def && def.coerce)) jsonSchema[TAKES] = 'anything';
  if (def.type !== 'object' || !Array.isArray(jsonSchema.required)) return;
  jsonSchema.required = jsonSchema.required.filter((key: string) => {
    try {
      return !z.object({ [key]: def.shape[key] as z.ZodType }).safeParse({}).success;
    } catch {
      // A rule that is asynchronous is asked when the job starts.
      return true;
    }
  });
}

/** @throws PermanentError (E_PAYLOAD) naming every fault: the same payload fits no better the next time. */
export function parsePayload(schema: z.ZodType, payload: unknown): unknown {
  let parsed = schema.safeParse(payload);
  // What a schedule queues has `_cron` beside its keys; a schema that takes no unknown keys need not know of it.
  if (!parsed.success && typeof payload === 'object' && payload !== null && '_cron' in payload) {
    const { _cron, ...rest } = payload;
    parsed = schema.safeParse(rest);
  }
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'payload'}: ${issue.message}`);
  throw new PermanentError('E_PAYLOAD', `the payload does not fit: ${faults.join('; ')}`, {
    faults,
    remedy: 'queue the job again with a payload that fits its schema',
    exitCode: 2,
  });
}
