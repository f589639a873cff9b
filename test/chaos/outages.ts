import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../lib/errors/index.ts';
import { seconds, type Worker, World } from './outageWorld.ts';

// `npm run chaos -- outages [--only <name>] [--times N] [--counts]`: one outage after another on real processes. Each counts outcomes in the
// database, says how long the work stood still, and fails where that is more than is promised; with --counts only the counts
// are judged, for a machine whose speed nobody knows.

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    times: { type: 'string', default: '5' },
    counts: { type: 'boolean' },
  },
});
const TIMES = Number(values.times);

interface Outage {
  /** s, at the median and at most, from the outage's end until work runs again. */
  promised: { median: number; most: number };
  /** @returns s of each time; or why it could not be tried. */
  run: (world: World) => Promise<{ tookS: number[]; facts: string } | { skipped: string }>;
  /** Its servers are on a file system of this many MB. */
  diskMb?: number;
}

const kill = (worker: Worker, signal: NodeJS.Signals) => void worker.process.kill(signal);
const randomMark = (name: string) => `${name}-${Math.random().toString(36).slice(2, 8)}`;

/** The worker that runs the mission now. */
async function runnerOf(world: World, id: string): Promise<Worker> {
  const [row] = await world.query<{ pid: number }>(
    'select pid from workers where pool_id = (select worker from ops_missions where id = $1)',
    [id],
  );
  return world.workers.find(({ process: child }) => child.pid === row!.pid)!;
}

/** A step runs; what happens to its worker; s until it runs again on another. */
async function takenOver(world: World, name: string, happens: (worker: Worker) => Promise<void> | void) {
  const mark = randomMark(name);
  const [id] = (await world.submit(mark, 1500)) as [string];
  await world.until(async () => (await world.starts(mark)) === 1, 'the step runs');
  const victim = await runnerOf(world, id);
  await happens(victim);
  const since = performance.now();
  await world.until(async () => (await world.starts(mark)) === 2, 'the step runs again');
  return { id, victim, tookS: seconds(since) };
}

/** Work of every length goes on while it happens; s from its end until something ends again. */
async function throughOutage(world: World, name: string, happens: () => Promise<void>) {
  const ids = [...(await world.submit(randomMark(name), 5, 40)), ...(await world.submit(randomMark(name), 400, 20))];
  await world.until(
    async () => (await world.query("select from ops_missions where state = 'running'")).length > 0,
    'work is under way',
  );
  await happens();
  const since = performance.now();
  const [before] = await untilAnswers(world);
  await world.until(
    async () =>
      (await world.query('select from ops_missions where finished_at > $1', [before!.at])).length > 0 ||
      (await world.query('select from ops_missions where finished_at is null')).length === 0,
    'work ends again',
  );
  const tookS = seconds(since);
  return { tookS, facts: await world.assertSound(ids) };
}

async function untilAnswers(world: World) {
  let rows: { at: Date }[] = [];
  await world.until(async () => {
    rows = await world.query<{ at: Date }>('select now() as at');
    return true;
  }, 'Postgres answers');
  return rows;
}

const OUTAGES: Record<string, Outage> = {
  'worker killed, same host': {
    promised: { median: 3, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const tookS: number[] = [];
      const ids: string[] = [];
      for (let n = 0; n < TIMES; n++) {
        const { id, tookS: one } = await takenOver(world, 'kill', (victim) => kill(victim, 'SIGKILL'));
        tookS.push(one);
        ids.push(id);
        await world.until(async () => world.workers.length === 2, 'the killed one is started again');
        await Promise.all(world.workers.map((worker) => world.works(worker)));
      }
      return { tookS, facts: await world.assertSound(ids) };
    },
  },
  'host vanished': {
    promised: { median: 20, most: 20 },
    run: async (world) => {
      await world.startWorker({ host: 'other' });
      const mark = randomMark('host');
      const ids = await world.submit(mark, 60_000);
      await world.until(async () => (await world.starts(mark)) === 1, 'the step runs');
      const victim = await runnerOf(world, ids[0]!);
      await world.startWorker();
      await world.judges();
      world.supervised = false;
      await world.query(
        `update ops_mission_steps set payload = jsonb_set(payload, '{ms}', '10') where mission_id = $1 and name = 'b'`,
        ids,
      );
      kill(victim, 'SIGKILL');
      const since = performance.now();
      await world.until(async () => (await world.starts(mark)) === 2, 'the step runs again');
      return { tookS: [seconds(since)], facts: await world.assertSound(ids) };
    },
  },
  'zombie: stopped beyond its lease, then continued': {
    promised: { median: 20, most: 25 },
    run: async (world) => {
      await world.startWorker({ host: 'other' });
      const mark = randomMark('zombie');
      const ids = await world.submit(mark, 40_000);
      await world.until(async () => (await world.starts(mark)) === 1, 'the step runs');
      const zombie = await runnerOf(world, ids[0]!);
      await world.startWorker();
      await world.judges();
      world.supervised = false;
      await world.query(
        `update ops_mission_steps set payload = jsonb_set(payload, '{ms}', '3000') where mission_id = $1 and name = 'b'`,
        ids,
      );
      kill(zombie, 'SIGSTOP');
      const since = performance.now();
      await world.until(async () => (await world.starts(mark)) === 2, 'the step runs again');
      const tookS = seconds(since);
      kill(zombie, 'SIGCONT');
      const code = await zombie.exit;
      if (code !== 75) throw new Error(`the zombie ended with ${code}, expected 75`);
      return { tookS: [tookS], facts: `the zombie exits 75; ${await world.assertSound(ids)}` };
    },
  },
  'half-open connection, without a reset': {
    promised: { median: 20, most: 25 },
    run: async (world) => {
      const cut = await cuttable(world.url);
      await world.startWorker({ host: 'other', url: cut.url });
      const mark = randomMark('halfopen');
      const ids = await world.submit(mark, 60_000);
      await world.until(async () => (await world.starts(mark)) === 1, 'the step runs');
      await world.startWorker();
      await world.judges();
      world.supervised = false;
      await world.query(
        `update ops_mission_steps set payload = jsonb_set(payload, '{ms}', '10') where mission_id = $1 and name = 'b'`,
        ids,
      );
      cut.freeze();
      const since = performance.now();
      await world.until(async () => (await world.starts(mark)) === 2, 'the step runs again');
      const tookS = seconds(since);
      const facts = await world.assertSound(ids);
      cut.end();
      return { tookS: [tookS], facts };
    },
  },
  'Postgres restarted': {
    promised: { median: 10, most: 20 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'restart', async () => {
        await world.stopServers();
        await world.startServers();
      });
      return { tookS: [tookS], facts };
    },
  },
  'every backend terminated': {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'terminate', async () => {
        await world.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()',
        );
      });
      return { tookS: [tookS], facts };
    },
  },
  'Redis gone': {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const { tookS, facts } = await throughOutage(world, 'redis', async () => {
        process.kill(world.redisPid, 'SIGKILL');
      });
      return { tookS: [tookS], facts };
    },
  },
  "the database's clock jumps by an hour, there and back": {
    promised: { median: 5, most: 15 },
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      let ahead = true;
      const { tookS, facts } = await throughOutage(world, 'clock', async () => {
        const from = Date.now();
        while (Date.now() - from < 6000) {
          await world.query(
            `insert into clock_override (at) values (clock_timestamp() + interval '1 hour') on conflict (only_row) do update set at = excluded.at`,
          );
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await world.query('delete from clock_override');
        ahead = false;
      });
      const died = await world.query("select from workers where state = 'dead'");
      if (ahead || died.length > 0) throw new Error(`${died.length} pools were taken for dead`);
      return { tookS: [tookS], facts: `nobody was taken for dead; ${facts}` };
    },
  },
  'disk full': {
    promised: { median: 30, most: 60 },
    diskMb: 500,
    run: async (world) => {
      await Promise.all([world.startWorker(), world.startWorker()]);
      const filler = path.join(world.dataDir, '..', 'filler');
      const { tookS, facts } = await throughOutage(world, 'disk', async () => {
        fillUp(filler);
        // Whatever is asked for now is refused or brings Postgres down.
        await world
          .query(`insert into test_starts (mark) select repeat('x', 1000) from generate_series(1, 30000)`)
          .then(
            () => {
              throw new Error('the disk was not full');
            },
            () => undefined,
          );
        await new Promise((resolve) => setTimeout(resolve, 3000));
        rmSync(filler);
        await world.startServers();
      });
      return { tookS: [tookS], facts };
    },
  },
  'kill -9 in a durable function: in a step, between steps, while parked': {
    promised: { median: 15, most: 30 },
    run: async (world) => {
      await world.startWorker();
      const tookS: number[] = [];
      const facts: string[] = [];
      for (const at of ['in', 'between', 'parked'] as const) {
        const [row] = await world.query<{ id: string }>(`select add_mission('function', '{"flow": "staged"}') as id`);
        const id = row!.id;
        const happened = async (what: string) =>
          (await world.query('select from test_happened where mission = $1 and what = $2', [id, what])).length;
        const reached = { in: 'in', between: 'one', parked: 'parks' }[at];
        await world.until(async () => (await happened(reached)) > 0, `it comes to ${reached}`);
        if (at === 'parked')
          await world.until(
            async () =>
              (await world.query("select from ops_missions where id = $1 and state = 'waiting'", [id])).length === 1,
            'it is parked',
          );
        kill(world.workers[0]!, 'SIGKILL');
        const since = performance.now();
        if (at !== 'parked') {
          const again = await happened('begins');
          await world.until(async () => (await happened('begins')) > again, 'it goes on');
        }
        await world.query(`select signal($1, 'go')`, [id]);
        await world.until(
          async () =>
            (await world.query('select from ops_missions where id = $1 and finished_at is not null', [id])).length ===
            1,
          'it ends',
        );
        tookS.push(seconds(since));
        const [counts] = await world.query<Record<string, unknown>>(
          `select m.state, (select count(*)::integer from test_happened where mission = m.id and what = 'one') as one,
                  (select count(*)::integer from ops_outcomes where mission_id = m.id) as outcomes, (select count(distinct step_id)::integer from ops_outcomes where mission_id = m.id) as steps
           from ops_missions m where m.id = $1`,
          [id],
        );
        if (counts!.state !== 'succeeded' || counts!.one !== 1 || counts!.outcomes !== counts!.steps)
          throw new Error(`NOT SOUND: ${at}: ${JSON.stringify(counts)}`);
        facts.push(`${at}: its first step ran once, ${counts!.outcomes} outcomes of ${counts!.steps} steps`);
        await world.until(async () => world.workers.length === 1, 'the worker is started again');
        await world.works(world.workers[0]!);
      }
      return { tookS, facts: facts.join('; ') };
    },
  },
};

/** Until not a block is left. */
function fillUp(file: string): void {
  const block = Buffer.alloc(1_048_576);
  for (let size = block.length; size >= 4096; size /= 2) {
    try {
      for (;;) appendFileSync(file, block.subarray(0, size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

/** A way to Postgres that can be frozen: both ends stay open, and nothing passes any more. */
async function cuttable(url: string): Promise<{ url: string; freeze: () => void; end: () => void }> {
  const real = new URL(url);
  const socketFolder = real.searchParams.get('host');
  const port = Number(real.port || real.searchParams.get('port') || 5432);
  const pairs: [net.Socket, net.Socket][] = [];
  const server = net.createServer((near) => {
    const far = socketFolder
      ? net.connect(path.join(socketFolder, `.s.PGSQL.${port}`))
      : net.connect(port, real.hostname);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far);
    far.pipe(near);
    pairs.push([near, far]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.searchParams.delete('host');
  through.searchParams.delete('port');
  through.hostname = '127.0.0.1';
  through.port = String((server.address() as net.AddressInfo).port);
  return {
    url: through.href,
    freeze: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        near.pause();
        far.pause();
      }
    },
    end: () => {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
}

/** A file system of so many MB, or why there can be none. */
function smallDisk(mb: number): { folder: string; end: () => void } | { skipped: string } {
  const folder = mkdtempSync('/tmp/openclaw-disk-');
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mb}m,mode=755`, 'none', folder], { stdio: 'pipe' });
  } catch (error) {
    rmSync(folder, { recursive: true });
    return { skipped: `a small file system cannot be mounted here: ${messageOf(error).split('\n')[0]}` };
  }
  return {
    folder,
    end: () => {
      execFileSync('umount', ['-l', folder]);
      rmSync(folder, { recursive: true });
    },
  };
}

async function tryOutage(name: string, { promised, run, diskMb }: Outage): Promise<boolean> {
  const disk = diskMb === undefined ? undefined : smallDisk(diskMb);
  if (disk && 'skipped' in disk) {
    console.log(`skip  ${name}: ${disk.skipped}`);
    return true;
  }
  const world = new World(disk?.folder);
  try {
    await world.open();
    const result = await run(world);
    if ('skipped' in result) {
      console.log(`skip  ${name}: ${result.skipped}`);
      return true;
    }
    const sorted = [...result.tookS].sort((a, b) => a - b);
    const [median, most] = [sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
    const kept = median <= promised.median && most <= promised.most;
    console.log(
      `${kept ? 'ok  ' : 'LATE'}  ${name}: ${median.toFixed(1)} s at the median (promised ${promised.median}), ${most.toFixed(1)} s at most (${promised.most}); ${result.facts}`,
    );
    return kept || values.counts === true;
  } catch (error) {
    console.log(`FAIL  ${name}: ${messageOf(error)}`);
    return false;
  } finally {
    await world.close();
    disk?.end();
  }
}

const wanted = Object.entries(OUTAGES).filter(
  ([name]) => !values.only || values.only.some((part) => name.includes(part)),
);
if (wanted.length === 0) throw new Error(`--only: there are ${Object.keys(OUTAGES).join('; ')}`);
let sound = true;
for (const [name, outage] of wanted) sound = (await tryOutage(name, outage)) && sound;
process.exit(sound ? 0 : 1);
