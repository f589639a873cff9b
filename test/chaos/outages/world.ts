import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { createPool, DATABASE, type Pool, prepareDatabase } from '../../../lib/db/index.ts';
import { messageOf } from '../../../lib/errors/index.ts';
import { ensureServers, stopServers } from '../../../lib/servers/index.ts';
import { loadTasks, registerTasks } from '../../../lib/tasks/index.ts';
import { TEST_TASKS } from '../../harness/template.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';
import { eventually } from '../../harness/workers.ts';
import type { SmallDisk } from './smallDisk.ts';

export interface Worker {
  process: ChildProcess;
  exit: Promise<number | null>;
}

/** As `up` starts again what worked well before. */
const RESTART_MS = 100;

/** Servers and workers of its own, as real processes, that an outage may do anything to. */
export class World {
  readonly #home: ReturnType<typeof temporaryHome>;
  readonly disk: SmallDisk | undefined;
  readonly workers: Worker[] = [];
  #servers!: Awaited<ReturnType<typeof ensureServers>>;
  pool!: Pool;
  /** Whether an exit of a worker starts another, as `up` does, and a unit with Restart=always. */
  supervised = true;

  constructor(disk?: SmallDisk) {
    this.disk = disk;
    this.#home = temporaryHome(disk?.folder);
    // Else the servers, which do not run as root, would have their folder elsewhere, on the machine's own disk.
    if (disk) chmodSync(this.#home.home, 0o755);
  }

  async open(): Promise<void> {
    await this.startServers();
    const prepared = await prepareDatabase(this.#servers.postgres, { database: DATABASE });
    this.pool = createPool(prepared.workerUrl, { name: 'outage', max: 3, source: 'cli', actor: 'cli:outage' });
    const { tasks } = await loadTasks([path.join(CODE_ROOT, 'tasks'), TEST_TASKS]);
    await registerTasks(this.pool, tasks.values(), 'outage');
    await this.query(
      'create table test_starts (mark text, at timestamptz default clock_timestamp()); create table test_happened (mission bigint, what text, at timestamptz default clock_timestamp()); create table test_runs (id bigint generated always as identity, holder text, host text, started_at timestamptz default clock_timestamp(), ended_at timestamptz)',
    );
  }

  async startServers(): Promise<void> {
    this.#servers = await ensureServers({ layout: this.#home.layout, durable: true });
  }

  /** Both, at once: as `pg_ctl stop -m fast`, with what they had under way cut off. */
  stopServers = () => stopServers({ layout: this.#home.layout });

  get home(): string {
    return this.#home.home;
  }
  get dataDir(): string {
    return this.#servers.postgres.dataDir!;
  }
  /** Of the superuser. */
  get adminUrl(): string {
    return this.#servers.postgres.urlFor('postgres', DATABASE);
  }
  get redisPid(): number {
    return this.#servers.redis.pid!;
  }
  get url(): string {
    return this.#servers.postgres.urlFor('openclaw_worker', DATABASE);
  }

  async query<Row extends Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]> {
    const result = await this.pool.query<Row>(text, values);
    return result.rows;
  }

  /** @param host a name for another host, of whose processes nothing can be proven here. */
  async startWorker({ host, url, env: more }: { host?: string; url?: string; env?: Record<string, string> } = {}) {
    const { layout } = temporaryHome();
    mkdirSync(layout.home, { recursive: true });
    const env = {
      PATH: process.env.PATH ?? '',
      OPENCLAW_HOME: layout.home,
      DATABASE_URL: url ?? this.url,
      REDIS_URL: this.#servers.redis.url,
      OPENCLAW_TASK_DIRS: TEST_TASKS,
      OPENCLAW_LOG_LEVEL: 'silent',
      ...(host && { OPENCLAW_HOST_ID: host }),
      ...more,
    };
    // No schedules: what they queue for other pools would never end here.
    const start = (): Worker => {
      const child = spawn(path.join(CODE_ROOT, 'bin/openclaw'), ['worker', 'missions', 'upkeep', '--no-cron'], {
        env,
        // Its channel ends it with this process, however that ends.
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      });
      const worker: Worker = {
        process: child,
        exit: new Promise((resolve) => {
          child.once('exit', (code) => {
            this.workers.splice(this.workers.indexOf(worker), 1);
            resolve(code);
            if (this.supervised && code !== 0) setTimeout(() => this.supervised && start(), RESTART_MS);
          });
        }),
      };
      this.workers.push(worker);
      return worker;
    };
    const worker = start();
    await this.works(worker);
    return worker;
  }

  /** `openclaw up` on these servers: it brings back what ends. What it says is a file of its home, as in the background. */
  async startUp(): Promise<Worker> {
    const { layout } = this.#home;
    mkdirSync(layout.logs, { recursive: true });
    const out = openSync(path.join(layout.logs, 'up.out'), 'a');
    const child = spawn(path.join(CODE_ROOT, 'bin/openclaw'), ['up'], {
      env: {
        PATH: process.env.PATH ?? '',
        OPENCLAW_HOME: layout.home,
        OPENCLAW_TASK_DIRS: TEST_TASKS,
        OPENCLAW_DASHBOARD_PORT: '0',
      },
      stdio: ['ignore', out, out],
    });
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await this.until(
      async () => (await this.query("select from workers where state = 'live'")).length === 4,
      'up works',
    );
    return { process: child, exit };
  }

  async works(worker: Worker): Promise<void> {
    const live = "select from workers where pid = $1 and state = 'live'";
    await eventually(async () => (await this.query(live, [worker.process.pid])).length === 2, 'a worker works', 90_000);
  }

  /** The workers' own record of renewals is long enough to judge others. */
  async judges(): Promise<void> {
    await eventually(
      async () =>
        (await this.query("select from workers where state = 'live' and streak_since < now() - interval '16 seconds'"))
          .length > 0,
      'somebody may judge others',
      60_000,
    );
  }

  /** Missions of three steps, the second of which takes `ms` and notes its start as `mark`. */
  async submit(mark: string, ms: number, count = 1): Promise<string[]> {
    const plan = {
      kind: 'outage',
      steps: [
        { name: 'a', task: 'noop' },
        { name: 'b', task: 'wait', needs: ['a'], payload: { ms, mark }, retries: 20 },
        { name: 'c', task: 'noop', needs: ['b'] },
      ],
    };
    const rows = await this.query<{ id: string }>(
      'select add_mission($1::jsonb) as id from generate_series(1, $2::integer)',
      [JSON.stringify(plan), count],
    );
    return rows.map(({ id }) => id);
  }

  /** A mission of the tests' durable function. */
  async submitFunction(flow: string, given: Record<string, unknown>): Promise<string> {
    const rows = await this.query<{ id: string }>("select add_mission('function', $1) as id", [
      JSON.stringify({ flow, ...given }),
    ]);
    return rows[0]!.id;
  }

  /** Whatever was asked for has ended. */
  allEnd(): Promise<void> {
    return this.until(
      async () =>
        (
          await this.query(
            `select where not exists (select from ops_missions where finished_at is null)
                and not exists (select from graphile_worker._private_jobs) and not exists (select from limit_waits)`,
          )
        ).length === 1,
      'everything ends',
    );
  }

  starts = async (mark: string): Promise<number> =>
    (await this.query('select from test_starts where mark = $1', [mark])).length;

  /** Asked again until there is an answer. */
  async answered<T>(ask: () => Promise<T>): Promise<T> {
    let answer: { is: T } | undefined;
    await this.until(async () => {
      answer = { is: await ask() };
      return true;
    }, 'Postgres answers');
    return answer!.is;
  }

  /** Retried while the database does not answer. */
  async until(look: () => Promise<unknown>, what: string, timeoutMs = 120_000): Promise<void> {
    let fault: unknown;
    const asked = () =>
      look().catch((error: unknown) => {
        fault = error;
        return false;
      }) as Promise<boolean>;
    await eventually(asked, what, timeoutMs).catch((error: unknown) => {
      throw fault ? new Error(`${messageOf(error)}; last: ${messageOf(fault)}`) : error;
    });
  }

  /** Each of these missions has succeeded, and each of its steps has one outcome; nothing is left. */
  async assertSound(ids: string[]): Promise<string> {
    await this.until(
      async () =>
        (await this.query("select from ops_missions where id = any ($1) and state = 'succeeded'", [ids])).length ===
        ids.length,
      `${ids.length} missions succeed`,
    );
    const [counts] = await this.query<{ outcomes: number; once: number; steps: number; live: number }>(
      `select count(*)::integer as outcomes, count(distinct step_id)::integer as once,
              (select count(*)::integer from ops_mission_steps where mission_id = any ($1)) as steps,
              (select count(*)::integer from ops_missions where finished_at is null) as live
       from ops_outcomes where mission_id = any ($1) and step_id is not null`,
      [ids],
    );
    const { outcomes, once, steps, live } = counts!;
    if (outcomes !== steps || once !== steps || live > 0) throw new Error(`NOT SOUND: ${JSON.stringify(counts)}`);
    return `${ids.length} missions, ${outcomes} outcomes of ${steps} steps`;
  }

  /** Not one pool was taken for dead. */
  async assertNobodyDied(): Promise<void> {
    const died = await this.query("select from workers where state = 'dead'");
    if (died.length > 0) throw new Error(`${died.length} pools were taken for dead`);
  }

  async close(): Promise<void> {
    this.supervised = false;
    for (const { process: child } of [...this.workers]) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
    }
    await Promise.all([...this.workers].map(({ exit }) => exit));
    await this.pool?.end();
    await this.#home.remove();
  }
}
