import type { Worker, World } from './world.ts';

/** What one outage is promised, and how it is tried on real processes. */
export interface Outage {
  /** s, at the median and at most, from the outage's end until work runs again. */
  promised: { median: number; most: number };
  /** @returns s of each time, and what was counted. */
  run: (world: World, times: number) => Promise<{ tookS: number[]; facts: string }>;
  /** Home and servers are on a file system of this many MB, which an ordinary user cannot have. */
  diskMb?: number;
}

export const randomMark = (name: string) => `${name}-${Math.random().toString(36).slice(2, 8)}`;
export const seconds = (since: number) => (performance.now() - since) / 1000;

/** The worker that runs the mission now. */
export async function runnerOf(world: World, id: string): Promise<Worker> {
  const [row] = await world.query<{ pid: number }>(
    'select pid from workers where pool_id = (select worker from ops_missions where id = $1)',
    [id],
  );
  return world.workers.find(({ process: child }) => child.pid === row!.pid)!;
}

/** A step runs; what happens to its worker; s until it runs again on another. */
export async function takenOver(world: World, name: string, happens: (worker: Worker) => Promise<void> | void) {
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
export async function throughOutage(world: World, name: string, happens: () => Promise<void>) {
  const ids = [...(await world.submit(randomMark(name), 5, 40)), ...(await world.submit(randomMark(name), 400, 20))];
  await world.until(
    async () => (await world.query("select from ops_missions where state = 'running'")).length > 0,
    'work is under way',
  );
  await happens();
  return { tookS: await untilWorkEnds(world), facts: await world.assertSound(ids) };
}

/** s until something ends that had not ended before, or nothing is left. */
export async function untilWorkEnds(world: World): Promise<number> {
  const since = performance.now();
  const before = await world.answered(() => world.query<{ at: Date }>('select now() as at'));
  await world.until(
    async () =>
      (await world.query('select from ops_missions where finished_at > $1', [before[0]!.at])).length > 0 ||
      (await world.query('select from ops_missions where finished_at is null')).length === 0,
    'work ends again',
  );
  return seconds(since);
}
