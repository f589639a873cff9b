import pg from 'pg';
import { clockMs, clusterCpuMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import { liveJobs } from '../enqueue.ts';
import type { Ratio, Result } from '../report.ts';
import { spreadOf, turns } from '../stats.ts';
import type { Bench } from './types.ts';

const CALL = {
  raw: 'select id from graphile_worker.add_job($1, $2::json)',
  ours: 'select add_job($1, $2::jsonb) as id',
  least: 'select bench_least($1, $2::json) as id',
} as const;

/**
 * What no function can go below that queues a job and wakes a worker: graphile-worker's row and one notification, with nothing
 * checked and nothing kept. raw add_job is dearer by its seven statements; whoever keeps a ledger is dearer by a row.
 */
const LEAST = `
create or replace function bench_least(wanted text, payload json) returns bigint language plpgsql as $$
declare new_id bigint; ignored text;
begin
  insert into graphile_worker._private_jobs (task_id, payload)
    select g.id, bench_least.payload from graphile_worker._private_tasks g where g.identifier = wanted
    returning id, pg_notify('jobs:insert', '{"r":' || random()::text || ',"count":1}') into new_id, ignored;
  return new_id;
end $$`;

interface Calls {
  perSecond: number;
  postgresUs: number;
}

interface Caller {
  name: string;
  call: string;
  side: Side;
  url: string;
}

const AT_ONCE = [1, 10];
/** Short turns, many of them: a noise of the machine falls on all callers. */
const TURNS = 6;

/** One job a call, autocommit, prepared, while somebody listens; by one caller and by ten at once. */
export async function single({ sides, options, progress }: Bench): Promise<Result> {
  const callers: Caller[] = [
    { name: 'raw', call: CALL.raw, side: sides.raw, url: sides.raw.url },
    { name: 'least', call: CALL.least, side: sides.raw, url: sides.raw.url },
    { name: 'ours', call: CALL.ours, side: sides.ours, url: sides.ours.url },
    { name: 'binaryrogue', call: CALL.ours, side: sides.ours, url: sides.limitedUrl },
  ];
  await sides.raw.pool.query(LEAST);
  const keyOf = (name: string, atOnce: number) => `${name}, ${atOnce} at once`;
  const all = new Map<string, Calls[]>();
  for (let round = 0; round < options.rounds; round++) {
    for (const side of [sides.raw, sides.ours]) await side.reset();
    for (const side of [sides.raw, sides.ours]) await side.settle();
    for (const atOnce of AT_ONCE) {
      const calls = await callInTurns(callers, atOnce, options.singleMs / TURNS, sides.postmaster);
      for (const [name, made] of calls) {
        const key = keyOf(name, atOnce);
        all.set(key, [...(all.get(key) ?? []), made]);
        const cpu = Math.round(made.postgresUs);
        progress(`single round ${round + 1} ${key}: ${Math.round(made.perSecond)} calls/s, ${cpu} us of Postgres`);
      }
    }
  }
  const ratio = (name: string, atOnce: number, of: (calls: Calls) => number, to: 'raw' | 'least' = 'raw') =>
    all.get(keyOf(name, atOnce))!.map((calls, at) => of(calls) / of(all.get(keyOf(to, atOnce))![at]!));
  const perSecond = (calls: Calls) => calls.perSecond;
  const postgresUs = (calls: Calls) => calls.postgresUs;
  const ratios: Ratio[] = [
    { name: 'calls/s, 1 caller', values: ratio('ours', 1, perSecond), atLeast: 2.5 },
    { name: 'calls/s, 10 callers', values: ratio('ours', 10, perSecond), atLeast: 1.3 },
    { name: 'Postgres CPU a call, 1 caller', values: ratio('ours', 1, postgresUs), atMost: 0.4 },
    { name: 'to the least: calls/s, 1 caller', values: ratio('ours', 1, perSecond, 'least'), atLeast: 0.7 },
    { name: 'to the least: Postgres CPU a call, 1 caller', values: ratio('ours', 1, postgresUs, 'least'), atMost: 1.5 },
    { name: 'the least to raw: calls/s, 1 caller', values: ratio('least', 1, perSecond) },
    { name: 'the least to raw: Postgres CPU a call, 1 caller', values: ratio('least', 1, postgresUs) },
    { name: 'Postgres CPU a call, 10 callers', values: ratio('ours', 10, postgresUs) },
    { name: 'as binaryrogue: calls/s, 1 caller', values: ratio('binaryrogue', 1, perSecond) },
    { name: 'as binaryrogue: calls/s, 10 callers', values: ratio('binaryrogue', 10, perSecond) },
    { name: 'as binaryrogue: Postgres CPU a call, 1 caller', values: ratio('binaryrogue', 1, postgresUs) },
  ];
  const figures = [...all].flatMap(([key, calls]) => [
    [`${key}: calls/s`, spreadOf(calls.map(perSecond)).median],
    [`${key}: Postgres CPU us/call`, spreadOf(calls.map(postgresUs)).median],
  ]);
  return { measure: 'single', figures: Object.fromEntries(figures), ratios };
}

async function callInTurns(callers: Caller[], atOnce: number, turnMs: number, postmaster: number) {
  const sums = new Map<string, { calls: number; ms: number; cpuMs: number }>();
  const open: pg.Client[] = [];
  const connect = async (url: string) => {
    const client = await connected(url);
    open.push(client);
    return client;
  };
  try {
    const clientsOf = new Map<string, pg.Client[]>();
    // One that listens in each database: a second one in one of them would be charged to the calls of that side.
    for (const { url } of new Map(callers.map((caller) => [caller.side, caller])).values())
      await (await connect(url)).query('listen "jobs:insert"');
    for (const { name, call: text, url } of callers) {
      const clients = await Promise.all(Array.from({ length: atOnce }, () => connect(url)));
      // Each session plans its statement, and warms the function's, before anything is counted.
      for (const client of clients) for (let n = 0; n < 10; n++) await call(client, text, n);
      clientsOf.set(name, clients);
      sums.set(name, { calls: 0, ms: 0, cpuMs: 0 });
    }
    for (let turn = 0; turn < TURNS; turn++) {
      for (const { name, call: text, side } of turns(callers, turn)) {
        const before = await liveJobs(side);
        const made = await callFor(turnMs, clientsOf.get(name)!, text, postmaster);
        const queued = (await liveJobs(side)) - before;
        if (queued !== made.calls) throw new Error(`${name}: ${made.calls} calls queued ${queued} jobs`);
        const sum = sums.get(name)!;
        sums.set(name, { calls: sum.calls + made.calls, ms: sum.ms + made.ms, cpuMs: sum.cpuMs + made.cpuMs });
      }
    }
  } finally {
    await Promise.all(open.map((client) => client.end()));
  }
  return [...sums].map(([name, { calls, ms, cpuMs }]): [string, Calls] => [
    name,
    { perSecond: calls / (ms / 1000), postgresUs: (cpuMs * 1000) / calls },
  ]);
}

async function callFor(ms: number, clients: pg.Client[], text: string, postmaster: number) {
  const clusterMs = clusterCpuMs(postmaster);
  const from = clockMs();
  let calls = 0;
  const callOn = async (client: pg.Client) => {
    while (clockMs() - from < ms) {
      await call(client, text, calls);
      calls++;
    }
  };
  await Promise.all(clients.map(callOn));
  return { calls, ms: clockMs() - from, cpuMs: clusterCpuMs(postmaster) - clusterMs };
}

function call(client: pg.Client, text: string, n: number): Promise<unknown> {
  return client.query({ name: 'call', text, values: ['noop', `{"n":${n}}`] });
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'openclaw/bench' });
  await client.connect();
  return client;
}
