import { OpenClawError } from '../errors/index.ts';
import { scrubbedJson } from '../log/index.ts';
import { PermanentError } from '../tasks/define.ts';

const OUTPUT_LIMIT_BYTES = 1_048_576;
/** A step that ignores its signal is given up after this long. */
export const ABORT_GRACE_MS = 4_000;

/**
 * OC009: a path finds nothing; class 22: it cannot be evaluated on these outputs; 57014: it takes too long. What the earlier
 * steps gave does not change any more.
 */
const PERMANENT_CODES = /^(E_NOT_JSON|E_OUTPUT_TOO_LARGE|OC009|57014|22\w{3})$/;

/** Whether a further attempt is in vain. */
export function isPermanent(cause: unknown, retryable: ((error: unknown) => boolean) | undefined): boolean {
  if (cause instanceof PermanentError) return true;
  const code = (cause as { code?: unknown } | null)?.code;
  return (typeof code === 'string' && PERMANENT_CODES.test(code)) || (retryable !== undefined && !retryable(cause));
}

/** What a step gave, as the JSON that is kept. @throws E_OUTPUT_TOO_LARGE, E_NOT_JSON. */
export function outputText(output: unknown): string {
  const text = scrubbedJson(output ?? null);
  const bytes = Buffer.byteLength(text);
  if (bytes > OUTPUT_LIMIT_BYTES) {
    throw new OpenClawError(
      'E_OUTPUT_TOO_LARGE',
      `the output has ${bytes} bytes, at most ${OUTPUT_LIMIT_BYTES} are kept`,
      { remedy: 'write large data into a file or a table and return its name' },
    );
  }
  return text;
}

/** The work's end, or the abort's reason once its grace is over. */
export async function settleAfterAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let grace: NodeJS.Timeout | undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    const onAbort = () => {
      grace = setTimeout(() => reject(signal.reason), ABORT_GRACE_MS);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, givenUp]);
  } finally {
    clearTimeout(grace);
    work.catch(() => {
      // Given up: the abort's reason is what was recorded.
    });
  }
}
