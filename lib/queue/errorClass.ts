import { messageOf, OpenClawError } from '../errors/index.ts';
import { scrub } from '../log/index.ts';

const MESSAGE_LIMIT = 4000;

/** What a person reads of an error in a row: no stack, no secret, bounded. */
export function rowMessage(error: unknown): string {
  const text = error instanceof OpenClawError ? `${error.code}: ${error.message}` : messageOf(error);
  return scrub(text).replaceAll(String.fromCharCode(0), '').toWellFormed().slice(0, MESSAGE_LIMIT);
}

/** A short word by which failures are told apart and counted. */
export function errorClassOf(error: unknown): string {
  if (error instanceof OpenClawError) return error.code;
  if (error instanceof Error) {
    const { code } = error as { code?: unknown };
    if (typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code)) return code;
    if (error.name === 'TimeoutError') return 'timeout';
    return error.name;
  }
  return 'Error';
}
