import type { Queryable } from '../db/index.ts';
import { mayAct, noteTried, openIncident, resolveIncident } from './incidents.ts';

export interface Probe {
  /** `service:redis`. */
  readonly subject: string;
  readonly title: string;
  readonly needed: string;
  /** Throws when it does not answer. */
  readonly ask: () => Promise<unknown>;
}

/** Probes services, each on its own; the second failure in a row is an incident. */
export function serviceWatch(probes: readonly Probe[]) {
  const failures = new Map<string, number>();
  return async (db: Queryable): Promise<void> => {
    for (const { subject, title, needed, ask } of probes) {
      const fault = await ask().then(
        () => undefined,
        (error: Error) => error.message || 'no answer',
      );
      const times = fault === undefined ? 0 : (failures.get(subject) ?? 0) + 1;
      failures.set(subject, times);
      await db.query('select note_state($1, $2)', [subject, fault === undefined ? 'up' : 'down']);
      if (fault === undefined) await resolveIncident(db, 'service_down', subject, `${title} answers again.`);
      else if (times >= 2)
        await openIncident(db, {
          kind: 'service_down',
          subject,
          severity: 'critical',
          what: `${title} does not answer`,
          why: fault.slice(0, 300),
          needed,
        });
    }
  };
}

const FAILING = { calls: 6, share: 0.8, minutes: 10 };

/**
 * A provider whose calls fail and fail: its breaker is opened, so that the next one in the order answers at once instead of
 * after another failure. At most twice an hour each.
 */
export async function watchProviders(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ provider: string; calls: number; failed: number; worst: string | null }>(
    `select provider, count(*)::integer as calls, (count(*) filter (where not success))::integer as failed,
            mode() within group (order by error_class) filter (where not success) as worst
     from ops_outcome_rows where task in ('model_call', 'search_call') and provider is not null and created_at > now() - make_interval(mins => $1) group by provider order by provider`,
    [FAILING.minutes],
  );
  for (const { provider, calls, failed, worst } of rows) {
    if (calls < FAILING.calls || failed / calls < FAILING.share) {
      await resolveIncident(db, 'provider_failing', provider, `${calls - failed} of ${calls} calls went well.`);
      continue;
    }
    const incident = await openIncident(db, {
      kind: 'provider_failing',
      subject: provider,
      severity: 'warning',
      what: `${failed} of ${calls} calls to ${provider} failed`,
      why: `in ${FAILING.minutes} minutes, mostly ${worst}`,
      needed: 'openclaw providers test says how it answers now',
    });
    if (!incident.isNew || !(await mayAct(db, 'breaker', `service:${provider}`, 2, '1 hour', incident.id))) continue;
    const { rows: tripped } = await db.query<{ until: Date }>(
      "select trip_breaker('service:' || $1, interval '15 minutes', $2) as until",
      [provider, `${failed} of ${calls} calls failed`],
    );
    await noteTried(
      db,
      incident.id,
      'breaker',
      `opened until ${tripped[0]!.until.toISOString()}; the next provider in the order is asked`,
    );
  }
}

/** Work that waits though somebody could do it, and locks whose holder is gone. */
export async function watchQueue(db: Queryable): Promise<void> {
  const { rows } = await db.query<{
    oldest_s: number | null;
    waiting: number;
    workers: number;
    stale: number;
    orphans: number;
  }>(
    `select (select extract(epoch from clock_now() - min(run_at))::float8 from graphile_worker._private_jobs where locked_by is null and run_at <= clock_now() and attempts < max_attempts) as oldest_s,
            (select count(*)::integer from graphile_worker._private_jobs where locked_by is null and run_at <= clock_now() and attempts < max_attempts) as waiting,
            (select count(*)::integer from workers where state = 'live') as workers,
            (select count(*)::integer from workers where state = 'live' and seen_at < clock_now() - interval '30 seconds') as stale,
            (select count(*)::integer from ops_missions m where m.state in ('approved', 'running') and not m.paused and m.created_at < clock_now() - interval '1 minute'
               and not exists (select from graphile_worker._private_jobs j where j.id = m.job_id)) as orphans`,
  );
  const { oldest_s: oldest, waiting, workers, stale, orphans } = rows[0]!;
  if (oldest !== null && oldest > 300) {
    const incident = await openIncident(db, {
      kind: 'queue_stuck',
      subject: 'queue',
      severity: 'error',
      what: `the oldest job has waited for ${Math.round(oldest / 60)} minutes`,
      why:
        workers === 0
          ? 'no worker is alive'
          : `${waiting} jobs wait, ${workers} pools are alive${stale > 0 ? `, ${stale} of them silent` : ''}`,
      needed:
        workers === 0
          ? 'openclaw up, or systemctl start openclaw-mission-worker'
          : 'openclaw status; more workers, or fewer jobs',
    });
    if (await mayAct(db, 'wake', 'queue', 6, '1 hour', incident.id)) {
      await db.query(`select pg_notify('jobs:insert', '{"r":0.5,"count":1}')`);
      await noteTried(db, incident.id, 'wake', 'told the workers to look');
    }
  } else await resolveIncident(db, 'queue_stuck', 'queue', 'Nothing waits for long.');
  if (orphans === 0) return;
  const incident = await openIncident(db, {
    kind: 'mission_lost',
    subject: 'missions',
    severity: 'warning',
    what: `${orphans} open missions have no job`,
    why: 'their job ended or was removed without them',
    needed: '',
  });
  if (!(await mayAct(db, 'unlock', 'missions', 12, '1 hour', incident.id))) return;
  const { rows: mended } = await db.query<{ mended: number }>('select reconcile_missions() as mended');
  await noteTried(db, incident.id, 'unlock', `${mended[0]!.mended} got a new one`);
  await resolveIncident(db, 'mission_lost', 'missions', 'Each has a job again.');
}
