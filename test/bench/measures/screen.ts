import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import xterm from '@xterm/headless';
import ssh2, { type Client } from 'ssh2';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { createPool, type Pool } from '../../../lib/db/index.ts';
import { openPty, type Pty } from '../../harness/pty.ts';
import { childrenOf, clockMs, processCpuMs } from '../cpu.ts';
import type { Result } from '../report.ts';
import { quantile } from '../stats.ts';
import type { Bench } from './types.ts';

const SIZE = { columns: 120, rows: 40 };
const OPENCLAW = path.join(CODE_ROOT, 'bin/openclaw');
const LIMIT_MS = 30_000;
const VIEWERS = 10;
/** A backend tells what it has done for a join up to ten seconds after it (PGSTAT_IDLE_INTERVAL): not what is counted. */
const JOINED_MS = 12_000;
const run = promisify(execFile);

/**
 * What an open screen costs, by the real program on a real terminal, against the budgets that it was built to. The peer is
 * nobody: the floors are absolute, so they hold for a machine that is quiet.
 */
export async function screen(bench: Bench): Promise<Result> {
  const { sides, server, redis, options, home, progress } = bench;
  const seconds = options.screenSeconds;
  await sides.ours.reset(['ops_missions', 'ops_mission_steps', 'ops_mission_proposals']);
  const admin = createPool(server.urlFor('postgres', 'bench_ours'), { name: 'bench:load', max: 2 });
  const env = {
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    HOME: home,
    OPENCLAW_HOME: path.join(home, 'screen'),
    DATABASE_URL: sides.ours.url,
    REDIS_URL: redis.url,
  };
  const figures: Record<string, number> = {};
  try {
    await addMissions(admin, 60);
    await (await openDash(env)).close();
    const firstPaints: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const dash = await openDash(env);
      firstPaints.push(dash.firstPaintMs);
      await dash.close();
    }
    figures['first paint, ms'] = quantile(firstPaints, 0.5);
    const dash = await openDash(env);
    progress(`screen: first paint ${figures['first paint, ms'].toFixed(0)} ms`);
    await sleep(3000);
    const idle = await watch(dash, seconds, async () => undefined);
    figures['idle, bytes'] = idle.bytes;
    figures['idle, % of a core'] = idle.cpuPercent;
    const busy = await watch(dash, seconds, () => change(admin, 60, 1), 10);
    figures['10 updates/s, bytes/s'] = busy.bytes / seconds;
    figures['10 updates/s, % of a core'] = busy.cpuPercent;
    progress(`screen: idle ${idle.bytes} bytes; 10 updates/s ${(busy.bytes / seconds).toFixed(0)} bytes/s`);
    const keys = await keyTimes(dash, options.screenKeys);
    figures['key to paint p95, ms'] = quantile(keys, 0.95);
    figures['alone, RSS MB'] = rssOf(dash.pid) / 1e6;
    const outage = await freeze(dash, sides.postmaster);
    figures['frozen Postgres to banner, ms'] = outage.bannerMs;
    figures['back to live, ms'] = outage.backMs;
    progress(`screen: banner after ${outage.bannerMs.toFixed(0)} ms, back after ${outage.backMs.toFixed(0)} ms`);
    await addMissions(admin, options.screenMissions - 60);
    await sides.ours.settle();
    await sleep(2000);
    const heavy = await watch(dash, seconds, () => change(admin, options.screenMissions, 10), 10);
    figures['5,000 missions, 100 updates/s: % of a core'] = heavy.cpuPercent;
    figures['5,000 missions, 100 updates/s: bytes/s'] = heavy.bytes / seconds;
    await dash.close();
    Object.assign(figures, await bySsh(env, admin, seconds, progress));
    Object.assign(figures, await soak(options.screenSoakSeconds));
  } finally {
    await admin.end();
  }
  const budget = (name: string, atMost: number) => ({ name, values: [figures[name]!], atMost });
  return {
    measure: 'screen',
    figures,
    ratios: [
      budget('first paint, ms', 1000),
      budget('idle, bytes', 0),
      budget('idle, % of a core', 1),
      budget('10 updates/s, bytes/s', 5000),
      budget('10 updates/s, % of a core', 8),
      budget('key to paint p95, ms', 100),
      budget('alone, RSS MB', 130),
      budget('frozen Postgres to banner, ms', 3000),
      budget('back to live, ms', 2000),
      budget('5,000 missions, 100 updates/s: % of a core', 15),
      budget('a further SSH viewer, RSS MB', 15),
      budget('queries of 5 viewers to those of 1', 1.1),
      budget('growth of the live heap over a simulated hour, MB', 1),
    ],
  };
}

interface Dash {
  pty: Pty;
  pid: number;
  firstPaintMs: number;
  bytes: () => number;
  text: () => Promise<string>;
  until: (what: (text: string) => boolean, label: string) => Promise<number>;
  close: () => Promise<void>;
}

async function openDash(env: Record<string, string>): Promise<Dash> {
  const terminal = new xterm.Terminal({ cols: SIZE.columns, rows: SIZE.rows, allowProposedApi: true });
  const from = clockMs();
  const pty = openPty([OPENCLAW, 'dash'], { ...SIZE, env });
  let bytes = 0;
  pty.onOutput((chunk) => {
    bytes += Buffer.byteLength(chunk);
    terminal.write(chunk);
  });
  const text = async () => {
    await new Promise<void>((resolve) => terminal.write('', resolve));
    const { active } = terminal.buffer;
    return Array.from({ length: SIZE.rows }, (_, y) =>
      active.getLine(active.viewportY + y)?.translateToString(true),
    ).join('\n');
  };
  const until = async (what: (text: string) => boolean, label: string) => {
    const start = clockMs();
    while (!what(await text())) {
      if (clockMs() - start > LIMIT_MS) throw new Error(`${label}: not seen in ${LIMIT_MS / 1000} s:\n${await text()}`);
      await sleep(5);
    }
    return clockMs() - start;
  };
  await until((shown) => /Missions/.test(shown) && /m\d+ /.test(shown), 'the first frame');
  const firstPaintMs = clockMs() - from;
  return {
    pty,
    pid: await pty.pid(),
    firstPaintMs,
    bytes: () => bytes,
    text,
    until,
    close: async () => {
      pty.write('q');
      const { code, restored } = await pty.ended;
      if (code !== 0 || !restored) throw new Error(`the screen ended with ${code}, terminal restored: ${restored}`);
    },
  };
}

const rssOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;

async function watch(dash: Dash, seconds: number, load: () => Promise<unknown>, hertz = 1) {
  const [bytes, cpu, from] = [dash.bytes(), processCpuMs(dash.pid), clockMs()];
  for (let n = 0; n < seconds * hertz; n++) {
    await load();
    await sleep(Math.max(0, from + ((n + 1) * 1000) / hertz - clockMs()));
  }
  return { bytes: dash.bytes() - bytes, cpuPercent: (100 * (processCpuMs(dash.pid) - cpu)) / (clockMs() - from) };
}

/** Rows as the engine leaves them, ended, so that no age is counted on; triggers of the ledger are not what is measured here. */
async function addMissions(admin: Pool, count: number): Promise<void> {
  if (count <= 0) return;
  await admin.query(
    `begin; set local session_replication_role = replica;
     insert into ops_missions (kind, title, state, plan, actor, source, trace_id, created_at, started_at, finished_at)
       select 'report', 'Report number ' || n, 'succeeded', '{"kind": "report", "title": "Report", "steps": []}', 'cli:bench', 'cli', gen_random_uuid(), now(), now(), now() from generate_series(1, ${count}) n;
     insert into ops_mission_steps (mission_id, position, name, task, state, attempt, max_attempts, timeout_ms, effect, idempotency_key, started_at, finished_at)
       select m.id, p, 'step' || p, 'noop', 'succeeded', 1, 3, 60000, 'read', 'bench:' || m.id || ':' || p, now(), now() from ops_missions m, generate_series(1, 3) p
       where not exists (select from ops_mission_steps s where s.mission_id = m.id);
     commit`,
  );
}

let turn = 0;
/** `many` missions change what their line says, and something is written into the log for each. */
async function change(admin: Pool, of: number, many: number): Promise<void> {
  turn++;
  await admin.query(
    `begin; set local session_replication_role = replica;
     update ops_missions set title = 'Report after ${turn} changes', cost_usd = cost_usd + 0.01
       where id in (select id from ops_missions order by id desc offset ${turn % Math.max(1, Math.min(40, of - many))} limit ${many});
     insert into ops_agent_events (kind, mission_id, payload) select 'step.succeeded', ${turn}, jsonb_build_object('n', ${turn}) from generate_series(1, ${many});
     commit`,
  );
}

/** From a key to the first byte that it causes; frames of the data come in between, so it is the quickest of three. */
async function keyTimes(dash: Dash, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const before = dash.bytes();
    const from = clockMs();
    dash.pty.write(n % 10 < 5 ? 'j' : 'k');
    while (dash.bytes() === before) {
      if (clockMs() - from > LIMIT_MS) throw new Error('a key was not answered');
      await sleep(1);
    }
    times.push(clockMs() - from);
    await sleep(60);
  }
  return times;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // A backend that has just ended.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The whole cluster stands still: it takes connections, and answers nothing. */
async function freeze(dash: Dash, postmaster: number): Promise<{ bannerMs: number; backMs: number }> {
  // The postmaster first: then no child comes after the others were listed.
  process.kill(postmaster, 'SIGSTOP');
  const all = [postmaster, ...childrenOf(postmaster)];
  for (const pid of all) signal(pid, 'SIGSTOP');
  try {
    const bannerMs = await dash.until((text) => /Postgres does not answer/.test(text), 'the banner');
    await sleep(1500);
    for (const pid of all) signal(pid, 'SIGCONT');
    const backMs = await dash.until((text) => !/Postgres does not answer/.test(text), 'the screen is back');
    return { bannerMs, backMs };
  } finally {
    for (const pid of all) signal(pid, 'SIGCONT');
  }
}

async function bySsh(env: Record<string, string>, admin: Pool, seconds: number, progress: (line: string) => void) {
  const whole = { PATH: process.env.PATH, ...env };
  // Each viewer is a device of its own, as people are.
  const keys: string[] = [];
  for (let n = 0; n <= VIEWERS; n++) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    const file = path.join(env.HOME!, `viewer${n}.pub`);
    writeFileSync(file, `${pair.public}\n`);
    await run(OPENCLAW, ['devices', 'add-key', file, '--role', 'viewer', '--name', `bench-${n}`], { env: whole });
    keys.push(pair.private);
  }
  const server = spawn(OPENCLAW, ['dashboard', '--port', '0'], { env: whole, stdio: ['ignore', 'pipe', 'ignore'] });
  const clients: Client[] = [];
  try {
    const port = await new Promise<number>((resolve, reject) => {
      let said = '';
      server.stdout.on('data', (chunk) => {
        said += chunk;
        const found = /is served on \S+:(\d+)/.exec(said);
        if (found) resolve(Number(found[1]));
      });
      server.once('exit', (code) => reject(new Error(`the dashboard ended with ${code}`)));
    });
    const join = async (count: number) => {
      while (clients.length < count) clients.push(await viewer(port, keys[clients.length]!));
      await sleep(JOINED_MS);
    };
    const queries = async () => {
      const count = async () => {
        const { rows } = await admin.query(
          'select pg_stat_force_next_flush(), (select xact_commit from pg_stat_database where datname = current_database())::integer as n',
        );
        return rows[0].n as number;
      };
      const before = await count();
      await sleep(seconds * 1000);
      return (await count()) - before;
    };
    await join(1);
    const alone = { rss: rssOf(server.pid!), queries: await queries() };
    await join(5);
    const five = await queries();
    await join(1 + VIEWERS);
    const rss = rssOf(server.pid!);
    progress(
      `screen: ${alone.queries} queries for one viewer, ${five} for five; ${(rss / 1e6).toFixed(0)} MB with ${1 + VIEWERS}`,
    );
    return {
      'by SSH, one viewer, RSS MB': alone.rss / 1e6,
      'a further SSH viewer, RSS MB': (rss - alone.rss) / VIEWERS / 1e6,
      'queries of 5 viewers to those of 1': five / alone.queries,
    };
  } finally {
    for (const client of clients) client.end();
    server.kill('SIGTERM');
  }
}

const viewer = (port: number, privateKey: string): Promise<Client> =>
  new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.once('error', reject);
    client.once('ready', () => {
      client.shell({ term: 'xterm-256color', cols: SIZE.columns, rows: SIZE.rows }, (error, channel) => {
        if (error) return reject(error);
        channel.resume();
        channel.once('data', () => resolve(client));
      });
    });
    client.connect({ host: '127.0.0.1', port, username: 'bench', privateKey });
  });

/** Frames of an hour, one a second, without waiting for them; the heap is looked at after a collection. */
async function soak(seconds: number): Promise<Record<string, number>> {
  const { stdout } = await run(path.join(CODE_ROOT, 'bin/openclaw-node'), [
    '--expose-gc',
    path.join(import.meta.dirname, '../screenSoak.ts'),
    String(seconds),
  ]);
  const { grownMb } = JSON.parse(stdout) as { grownMb: number };
  return { 'growth of the live heap over a simulated hour, MB': grownMb };
}
