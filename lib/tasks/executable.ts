import { spawn } from 'node:child_process';
import { z } from 'zod';
import { PermanentError, parsePayload } from './define.ts';
import type { TaskContext, TaskDefinition } from './types.ts';

const OUTPUT_LIMIT_BYTES = 65_536;
/** After the job's signal, a program has this long before it is killed. */
const GRACE_MS = 5_000;

/**
 * A task that is a program: graphile-worker's contract (payload as JSON on stdin, GRAPHILE_WORKER_* in the environment,
 * exit code 0 is success). Its standard output is the result: as JSON when it is JSON, else as text. It runs in a process
 * group of its own, so that its children end with it. Exit code 78 means that a retry cannot mend it.
 */
export function executableTask(file: string, title: string): TaskDefinition {
  const schema = z.record(z.string(), z.unknown());
  return {
    title,
    pool: 'missions',
    // Nothing is known of what a program does, so the most careful is assumed.
    effect: 'outside',
    idempotent: false,
    untrusted: false,
    maxAttempts: 4,
    timeoutMs: 600_000,
    backoff: { initialMs: 1000, factor: 2, maxMs: 300_000 },
    payloadSchema: { type: 'object', additionalProperties: {} },
    parse: (payload) => parsePayload(schema, payload),
    retryable: () => true,
    durable: false,
    limits: null,
    run: (payload: Record<string, unknown>, context: TaskContext) => runProgram(file, payload, context),
  };
}

function runProgram(
  file: string,
  payload: Record<string, unknown>,
  { job, log, signal }: TaskContext,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [], {
      env: {
        ...process.env,
        GRAPHILE_WORKER_PAYLOAD_FORMAT: 'json',
        GRAPHILE_WORKER_TASK_IDENTIFIER: job.task,
        GRAPHILE_WORKER_JOB_ID: job.id,
        GRAPHILE_WORKER_JOB_ATTEMPTS: String(job.attempt),
        GRAPHILE_WORKER_JOB_MAX_ATTEMPTS: String(job.maxAttempts),
        OPENCLAW_IDEMPOTENCY_KEY: job.idempotencyKey,
        ...(job.traceId && { OPENCLAW_TRACE_ID: job.traceId }),
      },
      stdio: 'pipe',
      detached: true,
    });
    const output: Buffer[] = [];
    let size = 0;
    let errors = '';
    let killTimer: NodeJS.Timeout | undefined;
    const killGroup = (name: NodeJS.Signals) => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, name);
      } catch (error) {
        // ESRCH: the group has ended already, which is what was wanted.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH')
          log.warn({ err: error }, 'a program could not be stopped');
      }
    };
    const onAbort = () => {
      killGroup('SIGTERM');
      killTimer = setTimeout(() => killGroup('SIGKILL'), GRACE_MS);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= OUTPUT_LIMIT_BYTES) output.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-4000);
    });
    child.stdin.on('error', (error) => log.debug({ err: error }, 'the program did not read its payload'));
    child.once('error', (error) =>
      reject(
        new PermanentError('E_TASK_PROGRAM', `${file} could not be started: ${error.message}`, {
          cause: error,
          remedy: 'check its #! line and its executable bit',
        }),
      ),
    );
    child.once('close', (code, killedBy) => {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(killTimer);
      // Whoever is left of its group: what ignored the signal, or was left in the background.
      killGroup('SIGKILL');
      if (errors) log.info({ stderr: errors }, 'standard error of the program');
      if (signal.aborted) return reject(signal.reason);
      if (code === 0) return resolve(resultOf(Buffer.concat(output).toString('utf8'), size));
      const how = killedBy ? `was killed by ${killedBy}` : `exited with code ${code}`;
      const message = `the program ${how}${errors ? `: ${errors.trim().split('\n').at(-1)}` : ''}`;
      reject(code === 78 ? new PermanentError('E_TASK_PROGRAM', message) : new Error(message));
    });
    child.stdin.end(JSON.stringify({ payload }));
  });
}

function resultOf(text: string, size: number): unknown {
  if (size > OUTPUT_LIMIT_BYTES) return { stdout: text, truncated: true, bytes: size };
  if (!text.trim()) return null;
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON is no fault: a program may print what it likes.
    return { stdout: text };
  }
}
