import { spanText } from '../../actions/table.ts';
import { fail, pass, skipped } from '../findings.ts';
import type { Check } from '../types.ts';

/** Two periods of six hours, and one hour. */
const LIMIT_HOURS = 13;

export const backupAge: Check = {
  id: 'backup_age',
  title: 'Last verified backup',
  severity: 'error',
  failuresNeeded: 1,
  passesNeeded: 1,
  looks: 1,
  needs: ['postgres'],
  remedy: 'openclaw backup create; openclaw logs --follow',
  runbook: 'backup-stale',
  probe: async ({ db }) => {
    const { rows } = await db!.query<{ age_s: number | null; installed_s: number | null }>(
      `select extract(epoch from clock_now() - (select max(coalesce(snapshot_at, started_at)) from ops_backups where archive = 'verified'))::float8 as age_s,
              extract(epoch from clock_now() - (select min(started_at) from workers))::float8 as installed_s`,
    );
    const { age_s: age, installed_s: installed } = rows[0]!;
    const limit = `limit ${LIMIT_HOURS} h`;
    if (age !== null)
      return age > LIMIT_HOURS * 3600
        ? fail(`is ${spanText(age * 1000)} old, ${limit}`)
        : pass(`is ${spanText(age * 1000)} old`);
    return (installed ?? 0) > LIMIT_HOURS * 3600
      ? fail(`there is none, ${limit}`)
      : skipped('none yet: the first is made within six hours', 'openclaw backup create');
  },
};
