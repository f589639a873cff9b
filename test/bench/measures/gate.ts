import { setTimeout as sleep } from 'node:timers/promises';
import { clusterCpuMs } from '../cpu.ts';
import type { Side } from '../databases.ts';
import type { Result } from '../report.ts';
import { spreadOf, turns } from '../stats.ts';
import { spawnWorker } from '../workerProcess.ts';
import type { Bench } from './types.ts';

const STEPS = ['a', 'b', 'c', 'd', 'e'];
const IN_FLIGHT = 24;
const PLAN = JSON.stringify({
  kind: 'bench',
  steps: STEPS.map((name, at) => ({ name, task: 'noop', needs: at > 0 ? [STEPS[at - 1]] : [] })),
});

/**
 * The same missions by three doors: stored as the gate stores them but with nothing asked (`open`), through the gate under the
 * policy that an installation starts with (`gated`), and under one that also counts each start of the task (`quota`).
 */
const DOORS = {
  open: { submit: 'select bench_start_mission($1)', quotas: '{}' },
  gated: { submit: 'select add_mission($1)', quotas: '{}' },
  quota: { submit: 'select add_mission($1)', quotas: '{"noop": 1000000000}' },
} as const;
type Door = keyof typeof DOORS;

interface Run {
  submitUs: number;
  workerUs: number;
  postgresUs: number;
}

const totalUs = ({ submitUs, workerUs, postgresUs }: Run) => submitUs + workerUs + postgresUs;

/** CPU of a mission of five steps that do nothing, from its submission (a transaction each) to its end: what the gate adds. */
export async function gate({ sides, options, home, progress }: Bench): Promise<Result> {
  const side = sides.ours;
  await side.pool.query(WITHOUT_A_GATE);
  const runs = new Map<Door, Run[]>();
  const doors = Object.keys(DOORS) as Door[];
  for (let round = 0; round < options.rounds; round++) {
    for (const door of turns(doors, round)) {
      const run = await runOnce(door, side, { sides, options, home });
      runs.set(door, [...(runs.get(door) ?? []), run]);
      progress(`gate round ${round + 1} ${door}: ${Math.round(totalUs(run))} us of CPU a mission`);
    }
  }
  await side.pool.query('drop function bench_start_mission(jsonb)');
  const ratio = (door: Door) => runs.get(door)!.map((run, at) => totalUs(run) / totalUs(runs.get('open')![at]!));
  const median = (door: Door, of: (run: Run) => number) => spreadOf(runs.get(door)!.map(of)).median;
  return {
    measure: 'gate',
    figures: Object.fromEntries(
      doors.flatMap((door) => [
        [`${door}: Postgres CPU us/mission to submit`, median(door, (run) => run.submitUs)],
        [`${door}: Postgres CPU us/mission to run`, median(door, (run) => run.postgresUs)],
        [`${door}: worker CPU us/mission`, median(door, (run) => run.workerUs)],
      ]),
    ),
    ratios: [
      { name: 'CPU a mission, gated to not', values: ratio('gated'), atMost: 1.2 },
      { name: 'CPU a mission, with a quota on each step', values: ratio('quota') },
    ],
  };
}

/** What the gate writes for an approved mission, and nothing of what it asks. */
const WITHOUT_A_GATE = `
create or replace function bench_start_mission(plan jsonb) returns bigint language plpgsql as $$
declare p ops_mission_proposals;
begin
  p.id := nextval(pg_get_serial_sequence('public.ops_mission_proposals', 'id'));
  p.mission_id := nextval(pg_get_serial_sequence('public.ops_missions', 'id'));
  p.plan := plan; p.kind := plan ->> 'kind'; p.title := p.kind; p.input := '{}'; p.priority := 0; p.untrusted := false;
  p.source := current_source(); p.actor := current_actor(); p.trace_id := current_trace();
  perform start_mission(p, p.mission_id, 'own_submission', p.actor);
  insert into ops_mission_proposals (id, kind, title, state, priority, plan, input, source, actor, risk, mission_id, decided_by, decided_at, trace_id) overriding system value
    values (p.id, p.kind, p.title, 'approved', 0, p.plan, p.input, p.source, p.actor, 'read', p.mission_id, p.actor, clock_now(), p.trace_id);
  perform record_act('missions new', 'm' || p.mission_id, null, jsonb_build_object('state', 'approved', 'kind', p.kind, 'proposal', p.id), '{}', p.trace_id);
  return p.mission_id;
end $$`;

async function runOnce(
  door: Door,
  side: Side,
  { sides, options, home }: Pick<Bench, 'sides' | 'options' | 'home'>,
): Promise<Run> {
  const count = options.missions;
  await side.reset(['ops_missions', 'ops_mission_steps', 'ops_mission_proposals', 'ops_outcome_rows', 'ops_approvals']);
  await side.pool.query("select set_policy('quota.tasks', $1)", [DOORS[door].quotas]);
  await side.settle();
  const client = await side.pool.connect();
  let submitMs: number;
  try {
    await client.query("select set_config('openclaw.source', 'cli', false)");
    const before = clusterCpuMs(sides.postmaster);
    for (let n = 0; n < count; n++)
      await client.query({ name: `submit_${door}`, text: DOORS[door].submit, values: [PLAN] });
    submitMs = clusterCpuMs(sides.postmaster) - before;
    await client.query("select set_config('openclaw.source', '', false)");
  } finally {
    client.release();
  }
  await side.settle();
  const worker = await spawnWorker(options.profile);
  await worker.start({
    side: 'ours',
    url: side.url,
    readerUrl: side.readerUrl,
    home,
    concurrency: IN_FLIGHT,
    localQueueSize: 500,
    jobs: count * STEPS.length,
    postmaster: sides.postmaster,
  });
  await worker.ran();
  const open = 'select count(*)::integer as open from ops_missions where finished_at is null';
  while ((await side.pool.query<{ open: number }>(open)).rows[0]!.open > 0) await sleep(5);
  const clusterMs = clusterCpuMs(sides.postmaster);
  const usage = await worker.usage();
  await worker.stop();
  const { rows } = await side.pool.query(
    `select (select count(*)::integer from ops_missions where state = 'succeeded') as missions,
            (select count(*)::integer from ops_mission_proposals where state = 'approved') as proposals,
            (select coalesce(sum(used), 0)::integer from ops_quota_use where task = 'noop') as starts`,
  );
  const { missions, proposals, starts } = rows[0]!;
  if (missions !== count || proposals !== count || (door === 'quota' && starts < count * STEPS.length))
    throw new Error(`${door}: ${count} missions gave ${JSON.stringify(rows[0])}`);
  return {
    submitUs: (submitMs * 1000) / count,
    workerUs: (usage.workerMs * 1000) / count,
    postgresUs: ((clusterMs - usage.clusterMs) * 1000) / count,
  };
}
