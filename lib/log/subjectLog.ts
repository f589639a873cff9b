import path from 'node:path';
import type { Config } from '../config/index.ts';
import { createLogger, type Logger, type LogMethod } from './logger.ts';

const METHODS = ['debug', 'info', 'warn', 'error'] as const;

/** The files that a person looks into for one subject. */
export type LogSubject = 'backup' | 'github-commit' | 'health-check' | 'telegram';

/** One a file and process: a logger holds its file open. */
const opened = new Map<string, Logger>();

/**
 * Writes to `logs/<subject>.log`, and to the log of the process as well. A file that cannot be opened does not stop what it
 * would tell of: the log of the process has it all, and says so.
 */
export function subjectLog(
  { layout, logLevel }: Pick<Config, 'layout' | 'logLevel'>,
  subject: LogSubject,
  log: Logger,
): Logger {
  const file = path.join(layout.logs, `${subject}.log`);
  const key = `${logLevel} ${file}`;
  try {
    const own = opened.get(key) ?? createLogger({ name: subject, level: logLevel, destination: file });
    opened.set(key, own);
    return both(log, own);
  } catch (error) {
    log.warn({ err: error, file }, 'this file cannot be written to; its lines are only here');
    return log;
  }
}

function both(first: Logger, second: Logger): Logger {
  const methods = Object.fromEntries(
    METHODS.map((method) => [
      method,
      (...given: [string]) => {
        first[method](...given);
        second[method](...given);
      },
    ]),
  ) as unknown as Record<(typeof METHODS)[number], LogMethod>;
  return { ...methods, child: (fields) => both(first.child(fields), second.child(fields)) };
}
