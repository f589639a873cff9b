import type { Queryable } from '../db/index.ts';
import type { Check, Notice } from './types.ts';

const ALERT_KIND = { fired: 'problem', flapping: 'problem', reminder: 'reminder', recovered: 'resolved' } as const;
const EVENT_KIND = {
  fired: 'health.failed',
  flapping: 'health.flapping',
  reminder: 'health.reminded',
  recovered: 'health.recovered',
} as const;

/**
 * An event and an alert for each notice, in the caller's transaction. `late` are those of the runs that found no Postgres:
 * they were sent by the second path, and are recorded as that, with the time at which it happened.
 */
export async function recordNotices(
  db: Queryable,
  late: readonly Notice[],
  notices: readonly Notice[],
  checks: readonly Check[],
): Promise<void> {
  for (const notice of late) {
    await recordEvent(db, notice, checks);
    await db.query(
      `insert into ops_alerts (severity, kind, fingerprint, title, body, runbook, state, reason, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        notice.severity,
        ALERT_KIND[notice.kind],
        fingerprintOf(notice),
        notice.title.slice(0, 500),
        notice.body,
        notice.runbook,
        notice.held ? 'held' : 'direct',
        notice.held ? 'flapping' : 'Postgres was away',
        notice.at,
      ],
    );
  }
  for (const notice of notices) {
    await recordEvent(db, notice, checks);
    await db.query('select raise_alert($1, $2, $3, $4, $5, $6, $7)', [
      notice.severity,
      fingerprintOf(notice),
      notice.title.slice(0, 500),
      notice.body,
      notice.runbook,
      ALERT_KIND[notice.kind],
      notice.held,
    ]);
  }
}

/** The flapping of a check is a matter of its own: its last alert of the usual kind may be minutes old. */
function fingerprintOf({ check_id, kind }: Notice): string {
  return kind === 'flapping' ? `health:${check_id}:flapping` : `health:${check_id}`;
}

async function recordEvent(db: Queryable, notice: Notice, checks: readonly Check[]): Promise<void> {
  const check = checks.find(({ id }) => id === notice.check_id);
  await db.query(
    `insert into ops_agent_events (kind, severity, source, actor, tags, payload) values ($1, $2, 'agent', 'system', array[$3], $4)`,
    [
      EVENT_KIND[notice.kind],
      notice.severity,
      notice.check_id,
      JSON.stringify({
        check: notice.check_id,
        title: notice.title,
        check_title: check?.title,
        runbook: notice.runbook,
        at: notice.at,
      }),
    ],
  );
}
