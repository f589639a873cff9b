import type { Pool, PoolClient } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { activeSegments } from '../missions/segment.ts';
import { JobAborted } from '../queue/runJob.ts';
import type { WorkerPool } from './pool.ts';

/**
 * What somebody had the right to cancel is a row, and so is what a mission may wait for; a notification, which anybody may
 * send, only makes us look.
 */
export async function deliverCancels(db: Pool, pools: readonly WorkerPool[]): Promise<void> {
  const jobs = pools.flatMap((pool) => [...pool.running.keys()]);
  const missions = [...activeSegments.keys()];
  if (jobs.length + missions.length === 0) return;
  const { rows } = await db.query<{
    jobs: string[];
    missions: { id: string; cancelled: boolean; signal_seq: number }[] | null;
  }>(
    `select array(select job_id::text from job_cancels where job_id = any ($1::bigint[])) as jobs,
            (select json_agg(json_build_object('id', id::text, 'cancelled', cancel_requested_by is not null, 'signal_seq', signal_seq)) from ops_missions where id = any ($2::bigint[])) as missions`,
    [jobs, missions],
  );
  for (const id of rows[0]!.jobs) {
    for (const pool of pools) pool.abort(id, new JobAborted('cancelled', 'cancelled on request'));
  }
  for (const { id, cancelled, signal_seq } of rows[0]!.missions ?? []) {
    if (cancelled) activeSegments.get(id)?.cancel();
    activeSegments.get(id)?.poke(signal_seq);
  }
}

/** Cancels at once instead of within the second. A lost listener connects anew; the tick covers the gap. */
export async function listenForControl(
  db: Pool,
  log: Logger,
  look: (channel: string) => Promise<void>,
): Promise<{ stop: () => void }> {
  let stopped = false;
  let client: PoolClient | undefined;
  const connect = async (): Promise<void> => {
    const connected = await db.connect();
    if (stopped) return connected.release();
    client = connected;
    connected.on(
      'notification',
      ({ channel }) =>
        void look(channel).catch((error: unknown) =>
          log.warn({ err: error, channel }, 'what changed was not looked up; the tick does'),
        ),
    );
    connected.once('error', (error) => {
      client = undefined;
      connected.release(error);
      if (!stopped) setTimeout(() => void connect().catch(retry), 1000);
    });
    await connected.query('listen "job:control"; listen "mission:control"; listen "ops:control"; listen "limit:poke"');
  };
  const retry = (error: unknown) => {
    log.warn({ err: error }, 'not listening for cancels; the tick delivers them');
    if (!stopped) setTimeout(() => void connect().catch(retry), 5000);
  };
  await connect();
  return {
    stop: () => {
      stopped = true;
      client?.release(true);
    },
  };
}
