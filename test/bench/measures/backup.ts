import { spawn } from 'node:child_process';
import { createWriteStream, rmSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runBackup } from '../../../lib/backup/index.ts';
import { toolsOf } from '../../../lib/backup/source.ts';
import { loadConfig } from '../../../lib/config/index.ts';
import { libpqConnection } from '../../../lib/db/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { clockMs, spentCpuMs } from '../cpu.ts';
import type { Result } from '../report.ts';
import { spreadOf, turns } from '../stats.ts';
import type { Bench } from './types.ts';

/** Of the kind that a database of ours has most of: about 500 bytes a row, half of it unlike any other. */
const FILL = `insert into ops_agent_events (kind, payload)
  select 'user.bench', jsonb_build_object('n', n, 'noise', md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text), 'text', repeat('what happened here ', 8))
  from generate_series(1, $1::int) n`;

/**
 * A whole run (snapshot, counts, dump, archive, read back, decoded, recorded) against the plainest backup that a person
 * would make of the same database: pg_dump -Fc | gzip. The peer reads nothing back.
 */
export async function backup({ sides, server, options, home, progress }: Bench): Promise<Result> {
  await sides.ours.reset();
  await sides.ours.pool.query(FILL, [options.backupRows]);
  await sides.ours.settle();
  const { rows: sizes } = await sides.ours.pool.query<{ bytes: string }>(
    'select pg_database_size(current_database()) as bytes',
  );
  const config = loadConfig({ env: { OPENCLAW_HOME: path.join(home, 'backup'), OPENCLAW_LOG_LEVEL: 'silent' } });
  const log = createLogger({ name: 'bench', level: 'silent' });
  const url = server.urlFor('openclaw_backup', 'bench_ours');
  const programs = await toolsOf(server);
  const source = {
    server,
    database: 'bench_ours',
    url,
    programs,
    adminUrlFor: (name: string) => server.urlFor('postgres', name),
  };
  const peerFile = path.join(home, 'peer.gz');
  const ways = [
    { name: 'pg_dump -Fc | gzip', run: () => peer(programs, url, peerFile) },
    {
      name: 'backup create',
      run: async () => {
        const run = await runBackup({ config, db: sides.ours.pool, log, signal: new AbortController().signal, source });
        if (run.archive !== 'verified' || run.rows < options.backupRows)
          throw new Error(`the archive is ${run.archive} with ${run.rows} rows`);
      },
    },
  ] as const;
  const times = new Map(ways.map(({ name }) => [name as string, { wall: [] as number[], cpu: [] as number[] }]));
  let peakRss = 0;
  const watch = setInterval(() => {
    peakRss = Math.max(peakRss, process.memoryUsage.rss());
  }, 50);
  try {
    for (let round = 0; round < options.rounds; round++) {
      for (const { name, run } of turns(ways, round)) {
        const [from, cpu] = [clockMs(), spentCpuMs(sides.postmaster)];
        await run();
        times.get(name)!.wall.push(clockMs() - from);
        times.get(name)!.cpu.push(spentCpuMs(sides.postmaster) - cpu);
      }
      progress(
        `backup round ${round + 1}: ${[...times].map(([name, { wall, cpu }]) => `${name} ${Math.round(wall.at(-1)!)} ms, CPU ${Math.round(cpu.at(-1)!)} ms`).join('; ')}`,
      );
    }
  } finally {
    clearInterval(watch);
    rmSync(peerFile, { force: true });
  }
  const [theirs, ours] = ways.map(({ name }) => times.get(name)!) as [
    { wall: number[]; cpu: number[] },
    { wall: number[]; cpu: number[] },
  ];
  const ratio = (of: 'wall' | 'cpu') => ours[of].map((value, at) => value / Math.max(theirs[of][at]!, 1));
  return {
    measure: 'backup',
    figures: {
      ...Object.fromEntries(
        [...times].flatMap(([name, { wall, cpu }]) => [
          [`${name}, ms`, spreadOf(wall).median],
          [`${name}, CPU ms`, spreadOf(cpu).median],
        ]),
      ),
      'database, MB': Number(sizes[0]!.bytes) / 1e6,
      'peak memory, MB': peakRss / 1e6,
    },
    ratios: [
      { name: 'time', values: ratio('wall'), atMost: 1.3 },
      { name: 'CPU', values: ratio('cpu'), atMost: 1.3 },
    ],
  };
}

async function peer(programs: { dump: string; env: Record<string, string> }, url: string, file: string): Promise<void> {
  const { target, env } = libpqConnection(url);
  const dump = spawn(programs.dump, ['--format=custom', `--dbname=${target}`], {
    env: { ...process.env, ...programs.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gzip = spawn('gzip', ['-c'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = [dump, gzip].map((child) => new Promise<number | null>((resolve) => child.once('close', resolve)));
  await Promise.all([pipeline(dump.stdout, gzip.stdin), pipeline(gzip.stdout, createWriteStream(file))]);
  const codes = await Promise.all(ended);
  if (codes.some((code) => code !== 0)) throw new Error(`pg_dump | gzip ended with ${codes.join(', ')}`);
}
