import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';
import type { Result } from '../report.ts';
import type { Bench } from './types.ts';

const LIMIT_MB = { allInOne: 250, units: 1000, agent: 110 };
const UNITS = [
  'gateway',
  'dashboard',
  'agent atlas',
  'agent scout',
  'worker missions upkeep',
  'bridge',
  'worker reactions',
  'worker learning',
];
const START_MS = 180_000;

/**
 * What stays resident while nothing happens: `openclaw up` (all in one process, and the small one that starts it again), and the
 * eight units as processes of their own. RSS counts what processes share once for each; PSS counts it once.
 */
export async function memory({ sides, options, progress }: Bench): Promise<Result> {
  await sides.ours.reset();
  const { layout, remove } = temporaryHome();
  const env = {
    PATH: process.env.PATH ?? '',
    OPENCLAW_HOME: layout.home,
    DATABASE_URL: sides.ours.url,
    OPENCLAW_DASHBOARD_PORT: '8597',
  };
  const run = (verb: string) =>
    spawn(path.join(CODE_ROOT, 'bin/openclaw'), verb.split(' '), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const settleMs = options.small ? 3000 : 30_000;
  const figures: Record<string, number> = {};
  const ratios: Result['ratios'][number][] = [];
  try {
    const up = run('up');
    await said(up, /^agents /m);
    await sleep(settleMs);
    const child = childOf(up.pid!);
    const [crew, supervisor] = [residentMb(child), residentMb(up.pid!)];
    figures['up: all in one, MB RSS'] = crew.rss;
    figures['up: what starts it again, MB RSS'] = supervisor.rss;
    figures['up: both, MB PSS'] = crew.pss + supervisor.pss;
    ratios.push({ name: `all in one / ${LIMIT_MB.allInOne} MB`, values: [crew.rss / LIMIT_MB.allInOne], atMost: 1 });
    progress(`memory of up: ${crew.rss.toFixed(0)} + ${supervisor.rss.toFixed(0)} MB`);
    await ended(up);
    if (!options.small) {
      const units = UNITS.map((verb) => ({ verb, child: run(verb) }));
      await sleep(settleMs);
      let [rss, pss] = [0, 0];
      for (const { verb, child: unit } of units) {
        const used = residentMb(unit.pid!);
        figures[`openclaw ${verb}, MB RSS`] = used.rss;
        rss += used.rss;
        pss += used.pss;
        if (verb.startsWith('agent '))
          ratios.push({ name: `${verb} / ${LIMIT_MB.agent} MB`, values: [used.rss / LIMIT_MB.agent], atMost: 1 });
      }
      figures['eight units, MB RSS'] = rss;
      figures['eight units, MB PSS'] = pss;
      ratios.push({ name: `eight units / ${LIMIT_MB.units} MB`, values: [rss / LIMIT_MB.units], atMost: 1 });
      await Promise.all(units.map(({ child: unit }) => ended(unit)));
    }
  } finally {
    await remove();
  }
  return { measure: 'memory', figures, ratios };
}

async function said(child: ChildProcess, line: RegExp): Promise<void> {
  let output = '';
  const heard = new Promise<void>((resolve) => {
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        if (line.test(output)) resolve();
      });
  });
  const late = sleep(START_MS, 'late', { ref: false });
  const how = await Promise.race([heard, once(child, 'exit').then(() => 'ended'), late]);
  if (how) throw new Error(`openclaw up did not start (${how}): ${output}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) throw new Error(`a process of openclaw ended by itself with ${child.exitCode}`);
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

function childOf(parent: number): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, after = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
      if (Number(after.split(' ')[1]) === parent && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('crew'))
        return Number(pid);
    } catch {
      // A process that has just ended.
    }
  }
  throw new Error(`process ${parent} has no crew`);
}

function residentMb(pid: number): { rss: number; pss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { rss: of('Rss'), pss: of('Pss') };
}
