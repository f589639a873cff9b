import * as assert from 'uvu/assert';
import type { Pool } from '../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { connectAs, refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';
import { TEMPLATE } from '../harness/template.ts';

const test = suite('what the roles may and may not', { timeoutMs: 120_000 });
let database: TestDatabase;
let rogue: Pool;
let tui: Pool;

test.before(async () => {
  database = await freshDatabase();
  rogue = connectAs(database, 'binaryrogue');
  tui = connectAs(database, 'openclaw_tui');
  const { rows } = await database.admin.query<{ relname: string }>(
    "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'p', 'm', 'f')",
  );
  secluded = rows.map((row) => row.relname).filter((name) => ![...READABLE, 'clock_override'].includes(name));
});
test.after(async () => {
  await Promise.all([rogue.end(), tui.end()]);
  await database.drop();
});

const READABLE = [
  'task_queue',
  'ops_tasks',
  'ops_missions',
  'ops_mission_steps',
  'ops_mission_proposals',
  'ops_agent_events',
  'ops_outcomes',
  'ops_policy',
  'ops_policy_keys',
  'ops_breakers',
  'ops_quota_use',
  'ops_reaction_rules',
  'ops_schedules',
  'ops_approvals',
  'ops_health',
  'ops_health_runs',
  'ops_alerts',
  'ops_alert_mutes',
  'ops_controls',
  'ops_cron_runs',
  'ops_signals',
  'agent_status',
];
/** Every other table, whatever is added later. */
let secluded: string[];
const PLAN = JSON.stringify({ kind: 'mine', steps: [{ name: 'a', task: 'noop' }] });

async function denied(role: Pool, statements: readonly string[]): Promise<void> {
  for (const sql of statements) {
    const refused = await refusal(role.query(sql));
    assert.is(refused.code, '42501', `${sql}: ${refused.message}`);
  }
}
async function idOf(by: Pool, sql: string): Promise<string> {
  return (await by.query<{ id: string }>(`select ${sql} as id`)).rows[0]!.id;
}

test('every table and view of ours is either read by binaryrogue or private', async () => {
  const { rows } = await database.admin.query<{ relname: string }>(
    `select relname from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'p', 'm', 'f')
       and has_table_privilege('binaryrogue', c.oid, 'select') order by 1`,
  );
  assert.equal(
    rows.map((row) => row.relname).filter((name) => name !== 'clock_override'),
    [...READABLE].sort(),
  );
  for (const table of READABLE) await rogue.query(`select * from ${table} limit 1`);
  assert.ok(secluded.includes('job_requests') && secluded.includes('agent_events'));
  await denied(
    rogue,
    secluded.map((table) => `select from ${table}`),
  );
});

test('binaryrogue drops, creates and alters nothing', async () => {
  await denied(
    rogue,
    [
      'drop table ops_missions cascade',
      'drop view task_queue',
      'drop function add_jobs(jsonb)',
      'drop schema public cascade',
      'create table public.mine (id integer)',
      'create function public.mine() returns integer language sql as $$ select 1 $$',
      'create schema mine',
      'create table graphile_worker.mine (id integer)',
      'alter table ops_missions add column mine integer',
      'alter table ops_tasks disable trigger all',
      'create rule mine as on insert to task_queue do instead nothing',
      'create trigger mine before insert on ops_missions execute function refuse()',
      'set role openclaw_owner',
      'set role openclaw_worker',
      'set session_replication_role = replica',
      'create role mine',
      "alter role openclaw_worker password 'mine'",
      "copy (select 1) to program 'true'",
      "select pg_read_file('/etc/passwd')",
    ].filter((sql) => !sql.startsWith('drop') && !sql.startsWith('alter table')),
  );
  for (const sql of [
    'drop table ops_missions cascade',
    'drop view task_queue',
    'drop function add_jobs(jsonb)',
    'alter table ops_missions add column mine integer',
  ])
    assert.match((await refusal(rogue.query(sql))).message, /^must be owner of/, sql);
});

test('binaryrogue changes no row', async () => {
  const { rows } = await database.admin.query<{ relname: string; relkind: string }>(
    `select relname, relkind from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'p', 'm', 'f') and relname <> 'task_queue'`,
  );
  // A view that no statement could change refuses before rights are asked.
  for (const { relname } of rows.filter(({ relkind }) => relkind === 'v')) {
    for (const sql of [`insert into ${relname} default values`, `delete from ${relname}`, `truncate ${relname}`])
      assert.match((await refusal(rogue.query(sql))).code, /^(42501|55000|42809)$/, sql);
  }
  const tables = rows.filter(({ relkind }) => relkind !== 'v').map(({ relname }) => relname);
  await denied(
    rogue,
    tables.flatMap((name) => [`insert into ${name} default values`, `delete from ${name}`, `truncate ${name}`]),
  );
  await denied(rogue, [
    "update ops_missions set state = 'cancelled'",
    "update ops_tasks set effect = 'read'",
    "update ops_policy set value = '{}'",
    "insert into ops_policy (key, version, value) values ('sql.allow', 2, '{}')",
    "insert into job_requests (task) values ('noop')",
    'insert into clock_override (at) values (now())',
  ]);
});

test("binaryrogue reaches graphile-worker's own tables and functions not at all", async () => {
  await denied(rogue, [
    'select from graphile_worker._private_jobs',
    'select from graphile_worker._private_tasks',
    'select from graphile_worker.jobs',
    'delete from graphile_worker._private_jobs',
    "select graphile_worker.add_job('noop')",
    `select graphile_worker.add_jobs(array[('noop', '{}', null, null, null, null, null, null)::graphile_worker.job_spec])`,
    "select graphile_worker.remove_job('k')",
    'select graphile_worker.complete_jobs(array[1])',
    "select graphile_worker.permanently_fail_jobs(array[1], 'x')",
    'select graphile_worker.reschedule_jobs(array[1])',
    "select graphile_worker.force_unlock_workers(array['x'])",
    `select setval(pg_get_serial_sequence('graphile_worker._private_jobs', 'id'), 1)`,
  ]);
});

test("binaryrogue runs none of the worker's functions", async () => {
  await denied(rogue, [
    'select apply_retention()',
    'select ensure_job(1)',
    'select wake_missions()',
    'select reconcile_missions()',
    "select release_pool('x', 'x')",
    "select record_act('x', 'x', null, null)",
    'select step_payload(1)',
    "select retention_limit('retention.events')",
    'select slowest_statements()',
  ]);
});

test('a database of ours gives PUBLIC nothing, so that nobody makes temporary tables', async () => {
  const { rows } = await database.admin.query(
    `select r.role, has_database_privilege(r.role, $1, 'temp') as temp, has_database_privilege(r.role, $1, 'create') as create,
            has_database_privilege(r.role, $1, 'connect') as connect
     from unnest(array['binaryrogue', 'openclaw_tui', 'openclaw_backup']) r(role)`,
    [TEMPLATE],
  );
  for (const row of rows) assert.equal(row, { role: row.role, temp: false, create: false, connect: true });
  // A copy of a database does not copy its rights; with those of the original, the statement itself is refused.
  await database.admin.query(
    `revoke all on database ${database.name} from public; grant connect on database ${database.name} to binaryrogue, openclaw_tui`,
  );
  const fresh = connectAs(database, 'binaryrogue');
  assert.is((await refusal(fresh.query('create temp table mine (id integer)'))).code, '42501');
  await fresh.end();
});

test('binaryrogue cancels and retries its own work, and that of nobody else', async () => {
  const [theirs, own] = [await idOf(database.pool, "add_job('noop')"), await idOf(rogue, "add_job('noop')")];
  const raw = await idOf(database.pool, "(graphile_worker.add_job('noop', '{}')).id");
  for (const job of [theirs, raw])
    for (const verb of ['cancel_job', 'retry_job']) {
      const refused = await refusal(rogue.query(`select ${verb}($1)`, [job]));
      assert.is(refused.code, 'OC006', `${verb}: ${refused.message}`);
      assert.match(refused.message, /role binaryrogue may only change its own/);
      assert.ok(refused.hint);
    }
  const mission = await idOf(database.pool, `add_mission('${PLAN}')`);
  assert.is((await refusal(rogue.query('select cancel_mission($1)', [mission]))).code, 'OC006');
  const { rows } = await database.pool.query(
    'select (select state from ops_missions where id = $1) as mission, (select state from task_queue where id = $2) as job',
    [mission, theirs],
  );
  assert.equal(rows[0], { mission: 'approved', job: 'queued' });

  assert.is(await idOf(rogue, `retry_job(${own})`), own);
  assert.is(await idOf(rogue, `cancel_job(${own})`), 'cancelled');
  assert.is.not(await idOf(rogue, `retry_job(${own})`), own, 'a new job; history is kept');
  const ownMission = await idOf(rogue, `add_mission('${PLAN}')`);
  assert.is(await idOf(rogue, `cancel_mission(${ownMission})`), 'cancelled');
  assert.equal((await rogue.query("select * from plan_faults('{}')")).rowCount! > 0, true);
  assert.ok((await rogue.query("select policy_value('sql.allow') as value")).rows[0]!.value);
  assert.ok((await rogue.query('select clock_now() as now')).rows[0]!.now instanceof Date);
});

test('openclaw_tui reads everything and changes nothing', async () => {
  for (const table of [...READABLE, ...secluded]) await tui.query(`select * from ${table} limit 1`);
  await tui.query('select * from slowest_statements()');
  // The screen shows the live jobs.
  await tui.query('select id from graphile_worker._private_jobs limit 1');
  await denied(tui, [
    "insert into task_queue (task) values ('noop')",
    "select add_job('noop')",
    "select add_jobs('[]')",
    `select add_mission('${PLAN}')`,
    'select cancel_job(1)',
    'select retry_job(1)',
    'select cancel_mission(1)',
    'select apply_retention()',
    "insert into ops_policy (key, version, value) values ('sql.allow', 9, '{}')",
    "update ops_missions set title = 'x'",
    'delete from job_history',
    'truncate agent_events',
    'create table public.mine (id integer)',
    'set role openclaw_owner',
    'delete from graphile_worker._private_jobs',
    "select graphile_worker.add_job('noop')",
  ]);
});

test('openclaw_owner cannot log in, and neither log of acts nor of beats is its own to empty', async () => {
  const { rows } = await database.admin.query("select rolcanlogin from pg_roles where rolname = 'openclaw_owner'");
  assert.equal(rows, [{ rolcanlogin: false }]);
  for (const table of ['agent_events', 'agent_heartbeats']) {
    assert.is((await refusal(database.pool.query(`truncate ${table}`))).code, '42501');
    assert.match((await refusal(database.pool.query(`drop table ${table}`))).message, /must be owner/);
    assert.match(
      (await refusal(database.pool.query(`alter table ${table} disable trigger all`))).message,
      /must be owner/,
    );
  }
});

test('PUBLIC runs only the functions that the grants name, and reads no table', async () => {
  const { rows } = await database.admin.query<{ name: string }>(
    `select p.proname as name from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
     where p.pronamespace = 'public'::regnamespace and a.grantee = 0
       and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') order by 1`,
  );
  assert.equal(
    rows.map((row) => row.name),
    [
      'clock_now',
      'current_actor',
      'current_source',
      'current_trace',
      'duration_ms',
      'job_duration',
      'job_fingerprint',
      'json_to_jsonb_lossy',
      'raise_task_queue_readonly',
      'readable_json',
      'refuse',
      'trusted_session',
    ],
  );
  const tables = await database.admin.query(
    `select relname, a.privilege_type from pg_class c, aclexplode(c.relacl) a where relnamespace = 'public'::regnamespace and a.grantee = 0`,
  );
  assert.equal(tables.rows, [{ relname: 'clock_override', privilege_type: 'SELECT' }]);
});

test("every function that runs with its owner's rights fixes its search_path", async () => {
  const { rows } = await database.admin.query(
    `select proname from pg_proc where pronamespace = 'public'::regnamespace and prosecdef
       and not exists (select from unnest(proconfig) c where c like 'search_path=public, pg_catalog, pg_temp')`,
  );
  assert.equal(rows, []);
});

test.run();
