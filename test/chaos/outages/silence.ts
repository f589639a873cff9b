import net from 'node:net';
import path from 'node:path';
import { type Outage, randomMark, runnerOf, seconds } from './outage.ts';
import type { Worker, World } from './world.ts';

/**
 * A step of a minute runs on a worker of another host, of which nothing can be proven; the one that is to take over judges others
 * by then. When it takes over, the step is a short one.
 */
async function besideAnotherHost(world: World, name: string, againMs: number, url?: string) {
  await world.startWorker({ host: 'other', ...(url && { url }) });
  const mark = randomMark(name);
  const ids = await world.submit(mark, 60_000);
  await world.until(async () => (await world.starts(mark)) === 1, 'the step runs');
  const victim = await runnerOf(world, ids[0]!);
  await world.startWorker();
  await world.judges();
  world.supervised = false;
  await world.query(
    `update ops_mission_steps set payload = jsonb_set(payload, '{ms}', $2::jsonb) where mission_id = $1 and name = 'b'`,
    [ids[0], String(againMs)],
  );
  return { victim, ids, takenOver: () => takenOver(world, mark, victim) };
}

/** s until the step runs again, and how they came together. */
async function takenOver(world: World, mark: string, { process: { pid } }: Worker) {
  const since = performance.now();
  const [silent] = await world.query<{ ms: number }>(
    'select extract(epoch from max(now() - seen_at))::float8 * 1000 as ms from workers where pid = $1',
    [pid],
  );
  const dead = world.until(
    async () => (await world.query("select from workers where pid = $1 and state = 'live'", [pid])).length === 0,
    'it is declared dead',
  );
  await dead;
  const deadS = seconds(since);
  await world.until(async () => (await world.starts(mark)) === 2, 'the step runs again');
  const tookS = seconds(since);
  return {
    tookS,
    parts: `silent for ${(silent!.ms / 1000).toFixed(1)} s already, declared dead after ${deadS.toFixed(1)} s, begun again ${(tookS - deadS).toFixed(1)} s later`,
  };
}

export const SILENCE: Record<string, Outage> = {
  'host vanished': {
    promised: { median: 20, most: 20 },
    run: async (world) => {
      const { victim, ids, takenOver } = await besideAnotherHost(world, 'host', 10);
      victim.process.kill('SIGKILL');
      const { tookS, parts } = await takenOver();
      return { tookS: [tookS], facts: `${parts}; ${await world.assertSound(ids)}` };
    },
  },
  'zombie: stopped beyond its lease, then continued': {
    promised: { median: 20, most: 20 },
    run: async (world) => {
      const { victim, ids, takenOver } = await besideAnotherHost(world, 'zombie', 3000);
      victim.process.kill('SIGSTOP');
      const { tookS, parts } = await takenOver();
      victim.process.kill('SIGCONT');
      const code = await victim.exit;
      if (code !== 75) throw new Error(`the zombie ended with ${code}, expected 75`);
      return { tookS: [tookS], facts: `${parts}; the zombie exits 75; ${await world.assertSound(ids)}` };
    },
  },
  'half-open connection, without a reset': {
    promised: { median: 20, most: 20 },
    run: async (world) => {
      const cut = await cuttable(world.url);
      const { ids, takenOver } = await besideAnotherHost(world, 'halfopen', 10, cut.url);
      cut.freeze();
      const { tookS, parts } = await takenOver();
      const facts = await world.assertSound(ids);
      cut.end();
      return { tookS: [tookS], facts: `${parts}; ${facts}` };
    },
  },
};

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
