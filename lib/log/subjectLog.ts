import path from 'node:path';
import type { Config } from '../config/index.ts';
import { createLogger, type Logger, type LogMethod } from './logger.ts';

const METHODS = ['debug', 'info', 'warn', 'error'] as const;

/** The files that a person looks into for one subject. */
export type LogSubject = 'backup' | 'github-commit' | 'health-check' | 'telegram';

/** Writes to `logs/<subject>.log`, and to the log of the process as well. */
export function subjectLog(
  { layout, logLevel }: Pick<Config, 'layout' | 'logLevel'>,
  subject: LogSubject,
  log: Logger,
): Logger {
  return both(
    log,
    createLogger({ name: subject, level: logLevel, destination: path.join(layout.logs, `${subject}.log`) }),
  );
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
