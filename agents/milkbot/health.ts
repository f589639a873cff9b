import { spanText, timeText } from '../../lib/actions/table.ts';
import type { HealthReport, Verdict } from '../../lib/health/index.ts';
import { bold, escapeHtml } from '../../lib/telegram/index.ts';
import type { Answer, ChatContext } from './types.ts';

const MARK: Record<Verdict, string> = { fail: '❌', warn: '⚠️', unknown: '❓', pass: '✅', skipped: '·' };
const SAYS: Record<Verdict, string> = {
  fail: 'fail',
  warn: 'warn',
  unknown: 'could not be looked at',
  pass: 'pass',
  skipped: 'skipped',
};
const NOT_WELL = ['fail', 'warn', 'unknown'] as const;

interface Found {
  readonly id: string;
  readonly verdict: Verdict;
  readonly summary: string;
}

/** What the last run found, at once; a new look takes seconds, and is drawn in its place while the chat goes on. */
export async function healthView({ db, config, log }: ChatContext): Promise<Answer> {
  const { rows } = await db.query<{ findings: Found[]; age_s: number }>(
    `select findings, extract(epoch from clock_now() - finished_at)::float8 as age_s from ops_health_runs order by finished_at desc limit 1`,
  );
  const [last] = rows;
  return {
    text: last
      ? await healthText(last.findings, `Seen ${spanText(last.age_s * 1000)} ago; a new look follows.`)
      : 'Nothing was looked at yet; a first look follows.',
    html: true,
    buttons: [[{ label: 'Look again', action: 'health' }]],
    later: async () => {
      const report = await lookAnew({ config, log });
      return { text: await healthText(report.checks, `Seen at ${timeText(report.finishedAt)}.`), html: true };
    },
  };
}

let running: Promise<HealthReport> | undefined;

/** Who asks while a look is under way gets that one. */
async function lookAnew({ config, log }: Pick<ChatContext, 'config' | 'log'>): Promise<HealthReport> {
  const { runHealth } = await import('../../lib/health/index.ts');
  running ??= runHealth({ config, log, trigger: 'telegram' }).finally(() => {
    running = undefined;
  });
  return running;
}

/** For a phone: what is not well with its remedy; the rest is a number. */
async function healthText(found: readonly Found[], seen: string): Promise<string> {
  const { CHECKS } = await import('../../lib/health/index.ts');
  const count = (verdict: Verdict) => found.filter((one) => one.verdict === verdict).length;
  const says = (verdicts: readonly Verdict[]) =>
    verdicts.flatMap((verdict) => (count(verdict) > 0 ? [`${count(verdict)} ${SAYS[verdict]}`] : [])).join(', ');
  const lines = NOT_WELL.flatMap((verdict) =>
    found
      .filter((one) => one.verdict === verdict)
      .flatMap(({ id, summary }) => {
        const check = CHECKS.find((one) => one.id === id);
        return [
          `${MARK[verdict]} ${bold(check?.title ?? id)}: ${escapeHtml(summary)}`,
          ...(check && verdict !== 'unknown' ? [`→ ${escapeHtml(check.remedy)}`] : []),
        ];
      }),
  );
  const worst = NOT_WELL.find((verdict) => count(verdict) > 0);
  return [
    worst ? `${MARK[worst]} ${bold(says(NOT_WELL))}` : '✅ All well',
    ...lines,
    says(['pass', 'skipped']),
    escapeHtml(seen),
  ].join('\n');
}
