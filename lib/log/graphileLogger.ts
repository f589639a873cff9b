import { Logger as GraphileLogger } from 'graphile-worker';
import type { Logger } from './logger.ts';

const METHOD = { error: 'error', warning: 'warn', info: 'info', debug: 'debug' } as const;

/**
 * graphile-worker's log as lines of ours. A success is not logged: there is a row of it, and at full speed these lines
 * would be most of the log. Of a job only its id, task and attempts are taken, as its payload may be large and private.
 *
 * In a file of its own, so that only workers load graphile-worker.
 */
export function graphileLogger(log: Logger): GraphileLogger {
  return new GraphileLogger((scope) => (level, message, meta) => {
    if (meta?.success === true) return;
    const error = meta?.error ?? meta?.fatalError;
    const fields = {
      ...scope,
      ...plainFields(meta),
      ...jobFields(meta?.job),
      ...(error === undefined ? {} : { err: error }),
    };
    // The message of a failure repeats the stack that `err` has.
    log[METHOD[level]](fields, meta?.failure === true ? message.split('\n', 1)[0] : message);
  });
}

/** What a task logs of its own; graphile-worker's further fields are whole objects: its options, pools and jobs. */
function plainFields(meta: Record<string, unknown> = {}) {
  return Object.fromEntries(
    Object.entries(meta).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value)),
  );
}

function jobFields(job: unknown) {
  if (typeof job !== 'object' || job === null) return {};
  const { id, task_identifier, attempts, max_attempts } = job as Record<string, unknown>;
  return { job_id: id, task: task_identifier, attempts, max_attempts };
}
