import { EXIT, OpenClawError } from '../errors/index.ts';
import { durationMs } from '../tasks/duration.ts';

/** `j104` or `104` as the id of a job, `m12` of a mission, and so on. @throws E_ID. */
export function parseId(text: string | undefined, letter: 'j' | 'm' | 'p' | 'e' | 'a' | 'i', what: string): string {
  const match = new RegExp(`^${letter}?(\\d{1,18})$`).exec(text ?? '');
  if (!match)
    throw new OpenClawError('E_ID', `"${text ?? ''}" is not the id of a ${what}`, {
      expected: `${letter} and a number, for example ${letter}12`,
      exitCode: EXIT.usage,
    });
  return match[1]!;
}

/** A whole number of an option within bounds. @throws E_ARGUMENT. */
export function parseNumber(text: string | boolean | undefined, name: string, min: number, max: number): number {
  const value = Number(text);
  if (typeof text !== 'string' || !Number.isInteger(value) || value < min || value > max) {
    throw new OpenClawError('E_ARGUMENT', `${name} is "${text}"`, {
      expected: `a whole number from ${min} to ${max}`,
      exitCode: EXIT.usage,
    });
  }
  return value;
}

/** How long to wait, at most as long as a timer of Node can be (24 days). @throws E_DURATION. */
export function parseTimeout(text: string | boolean | undefined): number {
  return Math.min(durationMs(String(text)), 2_147_483_647);
}

/** JSON that a person typed. @throws E_JSON with the place of the error. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new OpenClawError('E_JSON', `${what} is not JSON: ${(error as Error).message}`, {
      value: text.slice(0, 200),
      remedy: `quote it for the shell, for example '{"url": "https://example.com/"}'`,
      exitCode: EXIT.usage,
    });
  }
}
