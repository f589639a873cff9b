/** What trying again cannot mend: there is no such model, no key, or the run goes round in circles. */
const PERMANENT: ReadonlySet<string> = new Set([
  'E_NO_MODEL',
  'E_MODEL_UNKNOWN',
  'E_NO_SEARCH',
  'E_CONTEXT_TOO_LARGE',
  'E_LOOP',
]);

export function isRetryableCall(error: unknown): boolean {
  return !PERMANENT.has(String((error as { code?: unknown } | null)?.code));
}
