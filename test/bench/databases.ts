import path from 'node:path';
import { runMigrations } from 'graphile-worker';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { createPool, type Pool, prepareDatabase } from '../../lib/db/index.ts';
import type { PostgresServer } from '../../lib/servers/index.ts';
import { loadTasks, registerTasks } from '../../lib/tasks/index.ts';
import { BENCH_TASKS } from './worker/protocol.ts';

/** The peer and the product in one cluster, each in a database of its own: ours has triggers where the peer has none. */
export interface Side<Name extends string = 'raw' | 'ours'> {
  name: Name;
  url: string;
  readerUrl: string;
  /** As the role that owns the tables, or a member of it; what asks for work and looks. */
  pool: Pool;
  /** Empties every table of jobs, and these. */
  reset: (more?: readonly string[]) => Promise<void>;
  /** What a measure begins with: current statistics, and no checkpoint or vacuum that is owed for what came before. */
  settle: () => Promise<void>;
}

export interface Sides {
  raw: Side;
  ours: Side;
  /** Of missions only: it has no jobs. */
  dbos: Side<'dbos'>;
  /** Asks for work as the limited role. */
  limitedUrl: string;
  postmaster: number;
  end: () => Promise<void>;
}

const RAW_TABLES = ['graphile_worker._private_jobs'];
const OUR_TABLES = [
  ...RAW_TABLES,
  'job_requests',
  'job_history',
  'job_cancels',
  'ops_agent_events',
  'ops_outcome_rows',
  'workers',
];

export async function prepareSides(server: PostgresServer): Promise<Sides> {
  if (server.pid === null) throw new Error('the bench needs a Postgres whose process it can see');
  // Ours first: it makes the roles of the cluster.
  const ours = await prepareOurs(server);
  const raw = await prepareRaw(server);
  const dbos = await prepareDbos(server);
  return {
    raw: raw.side,
    ours: ours.side,
    dbos: dbos.side,
    limitedUrl: server.urlFor('binaryrogue', 'bench_ours'),
    postmaster: server.pid,
    end: async () => {
      await Promise.all([raw.end(), ours.end(), dbos.end()]);
    },
  };
}

async function prepareRaw(server: PostgresServer) {
  const maintenance = createPool(server.urlFor('postgres', 'postgres'), { name: 'bench', max: 1 });
  await maintenance.query('create database bench_raw owner openclaw_worker');
  await maintenance.end();
  const url = server.urlFor('openclaw_worker', 'bench_raw');
  const pool = createPool(url, { name: 'bench:raw', max: 4 });
  await runMigrations({ pgPool: pool });
  await pool.query("insert into graphile_worker._private_tasks (identifier) values ('noop') on conflict do nothing");
  const admin = createPool(server.urlFor('postgres', 'bench_raw'), { name: 'bench:admin', max: 1 });
  return sideOf('raw', { url, readerUrl: url }, pool, admin, RAW_TABLES);
}

/** Its own start makes its tables, which a run begins without. */
async function prepareDbos(server: PostgresServer) {
  const maintenance = createPool(server.urlFor('postgres', 'postgres'), { name: 'bench', max: 1 });
  await maintenance.query('create database bench_dbos owner openclaw_worker');
  await maintenance.end();
  const url = server.urlFor('openclaw_worker', 'bench_dbos');
  const pool = createPool(url, { name: 'bench:dbos', max: 4 });
  const admin = createPool(server.urlFor('postgres', 'bench_dbos'), { name: 'bench:admin', max: 1 });
  const { side, end } = sideOf('dbos', { url, readerUrl: url }, pool, admin, []);
  return { side: { ...side, reset: async () => void (await pool.query('drop schema if exists dbos cascade')) }, end };
}

async function prepareOurs(server: PostgresServer) {
  const prepared = await prepareDatabase(server, { database: 'bench_ours' });
  const pool = createPool(prepared.workerUrl, { name: 'bench:ours', max: 4 });
  const { tasks } = await loadTasks([BENCH_TASKS, path.join(CODE_ROOT, 'tasks')]);
  await registerTasks(pool, tasks.values(), 'bench');
  const admin = createPool(prepared.adminUrl, { name: 'bench:admin', max: 1 });
  return sideOf('ours', { url: prepared.workerUrl, readerUrl: prepared.readerUrl }, pool, admin, OUR_TABLES);
}

function sideOf<Name extends string>(
  name: Name,
  urls: { url: string; readerUrl: string },
  pool: Pool,
  admin: Pool,
  tables: readonly string[],
) {
  const side: Side<Name> = {
    name,
    ...urls,
    pool,
    reset: async (more = []) => {
      // Append-only tables refuse even that; a replica's session runs no triggers. What refers to a mission goes with it.
      await admin.query(
        `set session_replication_role = replica; truncate ${[...tables, ...more].join(', ')} cascade; reset session_replication_role`,
      );
    },
    settle: async () => {
      await admin.query('vacuum (analyze)');
      await admin.query('checkpoint');
    },
  };
  return { side, end: () => Promise.all([pool.end(), admin.end()]) };
}
