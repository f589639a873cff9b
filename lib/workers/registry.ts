import type { Queryable } from '../db/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { isProvenDead, type ProcessIdentity } from './identity.ts';

export interface Registration {
  poolId: string;
  /** `<host>:<home>:<pool>`: one live pool of a name. */
  name: string;
  pool: string;
  concurrency: number;
  localQueue: boolean;
  /** Ends the name of every session of this process. */
  sessionTag: string;
  own: ProcessIdentity;
}

/**
 * Writes the pool's row before its first fetch, so that a kill at any later moment leaves locks whose holder is known.
 *
 * @throws E_WORKER_NAME (75) when a live pool has the name.
 */
export async function registerPool(db: Queryable, registration: Registration): Promise<void> {
  const { own } = registration;
  try {
    await db.query(
      `insert into workers (pool_id, name, pool, host, boot_id, pid, process_start, concurrency, local_queue, session_tag)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        registration.poolId,
        registration.name,
        registration.pool,
        own.host,
        own.bootId,
        own.pid,
        own.processStart,
        registration.concurrency,
        registration.localQueue,
        registration.sessionTag,
      ],
    );
  } catch (error) {
    if ((error as { constraint?: string }).constraint !== 'workers_one_of_a_name') throw error;
    const { rows } = await db.query<{ pid: number; host: string }>(
      "select pid, host from workers where name = $1 and state = 'live'",
      [registration.name],
    );
    throw new OpenClawError(
      'E_WORKER_NAME',
      `a worker "${registration.name}" lives already (pid ${rows[0]?.pid} on ${rows[0]?.host})`,
      {
        remedy: 'stop it (openclaw down), or give this one a home of its own',
        exitCode: EXIT.tempfail,
        cause: error,
      },
    );
  }
}

/**
 * Gives back what dead pools of this host held, the proof being that their process has ended. This is part of every start
 * and of every second: the start path is the recovery path.
 *
 * @returns how many jobs were released.
 */
export async function releaseDeadOnThisHost(
  db: Queryable,
  own: ProcessIdentity,
): Promise<{ pools: string[]; released: number }> {
  const { rows } = await db.query<{
    pool_id: string;
    name: string;
    host: string;
    boot_id: string;
    pid: number;
    process_start: string;
  }>("select pool_id, name, host, boot_id, pid, process_start from workers where state = 'live' and host = $1", [
    own.host,
  ]);
  const dead = rows.filter((row) => isProvenDead(identityOf(row), own));
  let released = 0;
  for (const row of dead) {
    const result = await db.query<{ released: number }>('select release_pool($1, $2) as released', [
      row.pool_id,
      `process ${row.pid} on ${row.host} (${row.name}) has ended without giving its jobs back`,
    ]);
    released += result.rows[0]!.released;
  }
  return { pools: dead.map((row) => row.name), released };
}

function identityOf(row: { host: string; boot_id: string; pid: number; process_start: string }): ProcessIdentity {
  return { host: row.host, bootId: row.boot_id, pid: row.pid, processStart: row.process_start };
}

/** The end of a pool that stopped by itself: whatever is still locked in its name goes back, its attempt refunded. */
export async function retirePool(db: Queryable, poolId: string, reason: string): Promise<number> {
  const { rows } = await db.query<{ given_back: number }>(
    `with gone as (
       update workers set state = 'stopped', ended_at = now(), end_reason = $2, running = '{}' where pool_id = $1 and state = 'live'),
     queues as (
       update graphile_worker._private_job_queues set locked_by = null, locked_at = null where locked_by = $1),
     back as (
       update graphile_worker._private_jobs set locked_by = null, locked_at = null, attempts = greatest(attempts - 1, 0) where locked_by = $1 returning id)
     select count(*)::integer as given_back, case when count(*) > 0 then pg_notify('jobs:insert', '{"count":1,"r":' || random() || '}') end from back`,
    [poolId, reason],
  );
  return rows[0]!.given_back;
}

/** @returns how many jobs were locked in the pool's name without its knowledge and went back. */
export async function giveBackUnknown(db: Queryable, poolId: string, known: readonly string[]): Promise<number> {
  const { rows } = await db.query<{ given: number }>('select give_back_unknown($1, $2::bigint[]) as given', [
    poolId,
    known,
  ]);
  return rows[0]!.given;
}
