import { messageOf } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import { unknown } from './findings.ts';
import type { Check, Finding, ProbeContext } from './types.ts';

export const PROBE_LIMIT_MS = 5000;

/** One look of one check. Never fails and never takes longer than its limit. */
export async function look(check: Check, context: Omit<ProbeContext, 'signal'>): Promise<Finding> {
  const limit = AbortSignal.timeout(PROBE_LIMIT_MS);
  const late = new Promise<never>((_resolve, reject) => {
    limit.addEventListener('abort', () => reject(new Error(`no answer within ${PROBE_LIMIT_MS / 1000} s`)), {
      once: true,
    });
  });
  try {
    const finding = await Promise.race([check.probe({ ...context, signal: limit }), late]);
    return { ...finding, summary: oneLine(finding.summary) };
  } catch (error) {
    // fetch says "fetch failed" and keeps the reason in its cause.
    const cause = (error as { cause?: unknown }).cause;
    const summary = oneLine(limit.aborted ? `no answer within ${PROBE_LIMIT_MS / 1000} s` : messageOf(cause ?? error));
    // A service that does not answer has failed its check; an error of the look itself proves nothing.
    return limit.aborted || cause !== undefined ? { verdict: 'fail', summary } : unknown(`could not look: ${summary}`);
  }
}

/** All of them side by side; one that needs others waits for those, and is not judged unless they are well. */
export async function lookAll(
  checks: readonly Check[],
  contextOf: (check: Check) => Omit<ProbeContext, 'signal'>,
): Promise<Map<string, Finding>> {
  const started = new Map<string, Promise<Finding>>();
  const start = (check: Check): Promise<Finding> => {
    const running = started.get(check.id) ?? begin(check);
    started.set(check.id, running);
    return running;
  };
  const begin = async (check: Check): Promise<Finding> => {
    for (const id of check.needs ?? []) {
      const needed = checks.find((other) => other.id === id);
      if (!needed) continue;
      const { verdict } = await start(needed);
      if (verdict === 'fail' || verdict === 'unknown')
        return unknown(`not judged: ${needed.title} ${verdict === 'fail' ? 'fails' : 'is unknown'}`);
    }
    return look(check, contextOf(check));
  };
  const findings = await Promise.all(checks.map(async (check) => [check.id, await start(check)] as const));
  return new Map(findings);
}

function oneLine(text: string): string {
  const line = scrub(text)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}
