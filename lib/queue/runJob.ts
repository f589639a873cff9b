import type { JobHelpers, Task } from 'graphile-worker';
import { OpenClawError } from '../errors/index.ts';
import { scrubbedJson } from '../log/index.ts';
import { createContext } from '../tasks/context.ts';
import { PermanentError } from '../tasks/define.ts';
import type { RunFacts, TaskRuntime } from '../tasks/runtime.ts';
import type { LoadedTask } from '../tasks/types.ts';
import { backoffMs } from './backoff.ts';
import type { Ending, Endings, GoneJobs } from './endings.ts';
import { errorClassOf, rowMessage } from './errorClass.ts';
import { beginLimitedJob, JobGone } from './limited.ts';
import { JobAborted, Run, type RunningJob, timeLimit } from './run.ts';
import { holdOf } from './startGate.ts';

export { JobAborted, type RunningJob } from './run.ts';

/** A result above this is not kept: history is for people, data belongs into tables and files. */
const RESULT_LIMIT_BYTES = 262_144;

export interface JobRunnerOptions {
  runtime: TaskRuntime;
  endings: Endings;
  gone: GoneJobs;
  /** Ids of the jobs that were fetched and have not ended. */
  held: Set<string>;
  /** By job id: what runs in this pool now. */
  running: Map<string, RunningJob>;
  poolId: () => string;
  random?: () => number;
}

/** The function that graphile-worker calls for a task of ours: it validates, limits, runs, and notes the ending. */
export function jobRunner(task: LoadedTask, options: JobRunnerOptions): Task {
  const limitSoon = timeLimit(task.timeoutMs);
  return async (payload: unknown, helpers: JobHelpers) => {
    const { job } = helpers;
    const run = new Run(job.id, task.identifier);
    const { startedAt } = run;
    const facts: RunFacts = {
      jobId: job.id,
      task: task.identifier,
      attempt: job.attempts,
      maxAttempts: job.max_attempts,
      traceId: null,
      missionId: null,
      stepName: null,
      idempotencyKey: `j${job.id}`,
      scope: `j${job.id}`,
      fence: { kind: 'job', jobId: job.id, poolId: options.poolId() },
    };
    let ending: Ending;
    let release: (() => void) | undefined;
    try {
      options.running.set(job.id, run);
      await mayStart(task.identifier, job.id, options);
      const parsed = task.parse(payload);
      if (task.limits && !task.durable) await beginLimitedJob(task.limits, parsed, job.id, options);
      await options.runtime.starts?.admit(task.identifier);
      if (job.last_error?.startsWith(CRASHED)) release = await startSuspect(job.id, options);
      if (run.reason) throw run.reason;
      limitSoon(run);
      const context = createContext(options.runtime, facts, () => run.signal);
      const work = task.durable ? submitMission(options.runtime, job.id) : task.run(parsed as never, context);
      const result = await run.untilAborted(work);
      ending = { kind: 'done', startedAt, finishedAt: performance.now(), result: resultText(result) };
    } catch (error) {
      if (error instanceof JobGone) {
        options.gone.add(job.id);
        options.held.delete(job.id);
        throw error;
      }
      ending = endingOf(error, task, job, run, options.random);
    } finally {
      run.end();
      release?.();
      options.running.delete(job.id);
    }
    options.endings.set(job.id, ending);
    // Graphile-worker is told only that it failed; the rest is in the note.
    if (ending.kind !== 'done') throw new Error(ending.kind === 'give_back' ? 'given back' : ending.message);
  };
}

/** What release_pool() writes as the error of a job in whose company a worker died. */
const CRASHED = 'worker died:';
/** How long a job of a paused agent is left alone; its task, which others use as well, goes on being fetched. */
const PAUSED_AGENT_MS = 5_000;

/** The check at a start: against a state that is at most a second old. @throws JobAborted when a pause is in the way. */
async function mayStart(task: string, jobId: string, { runtime }: JobRunnerOptions): Promise<void> {
  const { controls } = runtime;
  if (!controls) return;
  const confirmed = controls.confirm();
  if (confirmed) {
    await confirmed.catch((error: unknown) => {
      throw new JobAborted('paused', `whether it may start is not known: ${rowMessage(error)}`);
    });
  }
  const control = controls.pausedBy({ task });
  if (control) throw new JobAborted('paused', `paused: ${control.scope} ${control.target}`);
  if (!controls.pausesAgents) return;
  const { rows } = await runtime.db.query<{ agent: string }>(
    "select substr(actor, 7) as agent from job_requests where id = $1 and actor like 'agent:%'",
    [jobId],
  );
  if (rows[0] && controls.pausedBy({ agent: rows[0].agent }))
    throw new JobAborted('paused', `paused: agent ${rows[0].agent}`, PAUSED_AGENT_MS);
}

const suspects = new WeakMap<Endings, Promise<void>>();

/** Suspects of one pool run one after another, each declared before it starts: so a death that it causes is known to be its. */
async function startSuspect(jobId: string, { runtime, endings, poolId }: JobRunnerOptions): Promise<() => void> {
  const before = suspects.get(endings);
  const { promise, resolve } = Promise.withResolvers<void>();
  suspects.set(endings, before ? before.then(() => promise) : promise);
  await before;
  try {
    await runtime.db.query('select begin_suspect($1, $2)', [jobId, poolId()]);
  } catch (error) {
    resolve();
    throw error;
  }
  return resolve;
}

function endingOf(
  error: unknown,
  task: LoadedTask,
  job: JobHelpers['job'],
  { startedAt, reason: aborted }: Run,
  random?: () => number,
): Ending {
  const released = aborted ?? (error instanceof JobAborted ? error : undefined);
  if (released && released.why !== 'cancelled' && released.why !== 'timeout')
    return { kind: 'give_back', startedAt, delayMs: released.delayMs };
  const held = aborted ? undefined : holdOf(error);
  if (held) return { kind: 'give_back', startedAt, delayMs: held.delayMs, held };
  const finishedAt = performance.now();
  if (aborted?.why === 'cancelled')
    return {
      kind: 'final',
      startedAt,
      finishedAt,
      message: aborted.message,
      errorClass: 'cancelled',
      state: 'cancelled',
    };
  const cause = aborted ?? error;
  const message = rowMessage(cause);
  const errorClass = aborted ? 'timeout' : errorClassOf(cause);
  // A result that is no JSON will be none the next time.
  const permanent =
    cause instanceof PermanentError ||
    (cause instanceof OpenClawError && cause.code === 'E_NOT_JSON') ||
    !task.retryable(cause);
  if (permanent || job.attempts >= job.max_attempts) {
    return {
      kind: 'final',
      startedAt,
      finishedAt,
      message,
      errorClass: permanent || job.max_attempts === 1 ? errorClass : 'exhausted',
      state: 'failed',
    };
  }
  return { kind: 'retry', startedAt, message, delayMs: backoffMs(task.backoff, job.attempts, random) };
}

/** A durable function is a mission's: the job submits it, once however often the job runs. */
async function submitMission({ db }: TaskRuntime, job: string): Promise<{ mission: string | null }> {
  const { rows } = await db.query<{ mission: string | null }>('select submit_job_mission($1) as mission', [job]);
  const { mission } = rows[0]!;
  return { mission: mission && `m${mission}` };
}

function resultText(result: unknown): string | null {
  if (result === undefined) return null;
  const text = scrubbedJson(result);
  if (Buffer.byteLength(text) <= RESULT_LIMIT_BYTES) return text;
  return JSON.stringify({ too_large: true, bytes: Buffer.byteLength(text), limit: RESULT_LIMIT_BYTES });
}
