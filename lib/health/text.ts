import { textTable, timeText } from '../actions/table.ts';
import type { HealthReport } from './run.ts';

/** A report as lines for people: one a check, then what to do. */
export function reportText(report: HealthReport): string {
  const rows = report.checks.map((check) => [
    check.verdict,
    check.id,
    check.title,
    check.state === 'ok' ? '' : check.flapping ? `${check.state}, flapping` : check.state,
    check.enable ? `${check.summary}: ${check.enable}` : check.summary,
  ]);
  const remedies = report.checks.flatMap((check) =>
    check.remedy ? [`${check.id}: ${check.remedy} (${check.runbook})`] : [],
  );
  const counts = ['fail', 'warn', 'unknown', 'pass', 'skipped'].flatMap((verdict) => {
    const count = report.checks.filter((check) => check.verdict === verdict).length;
    return count > 0 ? [`${count} ${verdict}`] : [];
  });
  return [
    textTable(['', 'check', 'what', 'alarm', 'found'], rows),
    ...remedies,
    ...report.faults.map((fault) => `also: ${fault}`),
    `${timeText(report.finishedAt)}: ${counts.join(', ')}${report.recorded ? '' : '; kept in the state file, as Postgres is away'}`,
  ].join('\n');
}
