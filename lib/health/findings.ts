import type { Finding, Severity } from './types.ts';

export const pass = (summary: string): Finding => ({ verdict: 'pass', summary });
export const warn = (summary: string): Finding => ({ verdict: 'warn', summary });
export const fail = (summary: string, severity?: Severity): Finding => ({
  verdict: 'fail',
  summary,
  ...(severity && { severity }),
});
export const unknown = (summary: string): Finding => ({ verdict: 'unknown', summary });
/** @param enable the command or key by which it becomes checked. */
export const skipped = (summary: string, enable: string): Finding => ({ verdict: 'skipped', summary, enable });
