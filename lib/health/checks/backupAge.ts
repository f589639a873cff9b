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
    const { rows: there } = await db!.query<{ there: boolean; installed_s: number | null }>(
      `select to_regclass('ops_backups') is not null as there,
              extract(epoch from clock_now() - (select min(started_at) from workers))::float8 as installed_s`,
    );
    const { there: exists, installed_s: installed } = there[0]!;
    if (!exists) return skipped('there are no backups', 'openclaw backup create');
    const { rows } = await db!.query<{ age_s: number | null }>(
      "select extract(epoch from clock_now() - max(created_at))::float8 as age_s from ops_backups where state = 'verified'",
    );
    const age = rows[0]!.age_s;
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
