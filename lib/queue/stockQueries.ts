import { createHash } from 'node:crypto';
import { EXIT, OpenClawError } from '../errors/index.ts';

/**
 * The queries of graphile-worker 0.18.0 that end a job or plan schedules, by the name that it prepares them under, with
 * the SHA-256 of their text. Ours take their place, so a text that has changed means a behaviour that we do not know: the worker refuses it.
 */
const KNOWN: Record<string, string> = {
  complete_job: '3624173cded91dfda71c3f0c2cd93c73126cb15e54780aa3e879aab87873235e',
  complete_jobs: '9ab47df9677c024312cce7cd11f74fe4a2780f9fb24378f13a433a4e09ed9c0e',
  complete_job_q: '89b5de58ba542550b44f7951186df9f0f7b99d14da580426e845d5246a2b0962',
  fail_job: '8716ba2ddf9d5f829ce690788a0ec61582fe3b8e315046bff04d603ce030c57f',
  cron: 'be1e1797b1b6a38057c69cea5725d6e835285cd30ff995fe3628eca0eefd9e9c',
  fail_job_q: 'd0d9854669a1d6c2238b9003c7ac38572b2b5b34ac7538af4c6612a5e13c05e8',
};

export type StockQuery = keyof typeof KNOWN;

/** Which of these queries this is, if it is one. @throws E_GRAPHILE_CHANGED. */
export function stockQueryOf(name: string | undefined, text: string): StockQuery | undefined {
  const short = name?.endsWith('/graphile_worker') ? name.slice(0, -'/graphile_worker'.length) : undefined;
  if (short === undefined || !(short in KNOWN)) return undefined;
  const sha = sha256(text);
  if (KNOWN[short] !== sha) {
    throw new OpenClawError('E_GRAPHILE_CHANGED', `graphile-worker's query ${short} is not the one of 0.18.0`, {
      value: sha,
      expected: KNOWN[short],
      remedy: 'install the pinned version (npm ci); a new version needs its texts checked first',
      exitCode: EXIT.config,
    });
  }
  return short;
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
