import { OpenClawError } from '../errors/index.ts';

export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string;
  readonly faults?: readonly string[];
  readonly cause?: unknown;
  readonly errors?: readonly unknown[];
}

/** Causes below this are left out: a chain may be a ring. */
const DEPTH = 5;

/** What a log line says of an error: also its code, its causes and the errors that it gathers. */
export function errorFields(error: unknown, depth = 0): ErrorFields | unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  return {
    type: error.name,
    message: error.message,
    code,
    stack: error.stack,
    faults: error instanceof OpenClawError && error.faults.length > 0 ? error.faults : undefined,
    cause: error.cause !== undefined && depth < DEPTH ? errorFields(error.cause, depth + 1) : undefined,
    errors:
      error instanceof AggregateError && depth < DEPTH
        ? error.errors.slice(0, 10).map((each) => errorFields(each, depth + 1))
        : undefined,
  };
}
