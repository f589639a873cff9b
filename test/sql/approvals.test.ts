import * as assert from 'uvu/assert';
import { ACTIONS, type ActionContext } from '../../lib/actions/index.ts';
import { createPool, type Pool } from '../../lib/db/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { refusal } from '../harness/refusal.ts';
import { suite } from '../harness/suite.ts';
import { eventually } from '../harness/workers.ts';

const test = suite('approvals', { timeoutMs: 60_000 });
let database: TestDatabase;
let limited: Pool;

test.before(async () => {
  database = await freshDatabase();
  limited = createPool(database.urlFor('binaryrogue'), { name: 'test:limited', max: 2 });
});
test.after(async () => {
  await limited.end();
  await database.drop();
});

const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const ask = async (rest = ''): Promise<string> =>
  (await query(`select ask_approval('code', 'May it go on?', actor => 'agent:scout'${rest}) as id`))[0].id;
const row = async (id: string) => (await query('select * from ops_approvals where id = $1', [id]))[0];
const act = (name: string, args: string[], options: Record<string, string> = {}) =>
  ACTIONS.find((action) => action.name === name)!.run({ db: database.pool } as unknown as ActionContext, {
    args,
    options,
  });

test('a question is answered once: the first answer holds, the same again is quiet, another is refused', async () => {
  const id = await ask();
  const answers = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) =>
      query('select answer_approval($1, $2)', [id, n % 2 === 0 ? 'approve' : 'reject']),
    ),
  );
  const { state, answer, answered_by } = await row(id);
  assert.is(state, 'answered');
  assert.is(answered_by, 'sql:openclaw_worker');
  assert.is(answers.filter((each) => each.status === 'fulfilled').length, 10, 'those who said what holds');
  assert.is(
    (await refusal(query('select answer_approval($1, $2)', [id, answer === 'approve' ? 'reject' : 'approve']))).code,
    'OC008',
  );
  const events = await query("select kind from ops_agent_events where payload ->> 'approval' = $1 order by id", [id]);
  assert.equal(
    events.map((event) => event.kind),
    ['approval.asked', 'approval.answered'],
  );
  const acts = await query("select verb, before, after from agent_events where target = 'a' || $1", [id]);
  assert.is(acts.length, 1);
  assert.equal(acts[0].before, { state: 'open' });
});

test('an answer that is none of the options, and an approval that is not there, are refused with what may be said', async () => {
  const id = await ask(", options => '{yes,no}'");
  const refused = await refusal(query('select approve($1)', [id]));
  assert.is(refused.code, 'OC009');
  assert.match(refused.hint, /yes, no/);
  assert.is((await refusal(query('select approve(999999)'))).code, 'OC011');
  assert.is((await refusal(ask(", on_expiry => 'maybe', expires_in => '1 h'"))).code, 'OC009');
  assert.is((await refusal(ask(", on_expiry => 'reject'"))).code, 'OC009');
});

test('asked again for the same step or proposal it is the same question, while it is open', async () => {
  const first = await ask(', step_id => 77');
  assert.is(await ask(', step_id => 77'), first);
  await query('select approve($1)', [first]);
  assert.is.not(await ask(', step_id => 77'), first);
});

test("a limited role answers, but neither what it asked for itself nor what is the owner's", async () => {
  const id = await ask();
  assert.is((await limited.query('select approve($1) as answer', [id])).rows[0].answer, 'approve');
  assert.is((await row(id)).answered_by, 'sql:binaryrogue');
  const own = await ask(", who => 'owner'");
  assert.is((await refusal(limited.query('select approve($1)', [own]))).code, 'OC006');
  const itself = (await query("select ask_approval('code', 'Mine?', actor => 'sql:binaryrogue') as id"))[0].id;
  assert.is((await refusal(limited.query('select approve($1)', [itself]))).code, 'OC006');
  assert.is((await refusal(limited.query("select ask_approval('code', 'x')"))).code, '42501', 'it asks nobody');
  assert.is((await refusal(limited.query("update ops_approvals set state = 'open'"))).code, '42501');
});

test('a paired operator does not answer for the owner, a viewer nothing', async () => {
  const id = await ask(", who => 'owner'");
  const as = (role: string) =>
    query(`with r as materialized (select set_config('openclaw.role', $2, true)) select approve($1) from r`, [
      id,
      role,
    ]);
  assert.is((await refusal(as('viewer'))).code, 'OC006');
  assert.is((await refusal(as('operator'))).code, 'OC006');
  await as('owner');
  assert.is((await row(id)).state, 'answered');
});

test('what nobody answers in time takes its answer on expiry, or expires; late answers are refused', async () => {
  const [taken, expired, open] = [
    await ask(", expires_in => '1 h', on_expiry => 'reject'"),
    await ask(", expires_in => '1 h'"),
    await ask(),
  ];
  await database.admin.query("insert into clock_override values (true, now() + interval '2 hours')");
  assert.is((await refusal(query('select approve($1)', [expired]))).code, 'OC008');
  const counts = await Promise.all(Array.from({ length: 4 }, () => query('select expire_approvals() as n')));
  assert.is(
    counts.reduce((sum, rows) => sum + rows[0].n, 0),
    2,
  );
  await database.admin.query('delete from clock_override');
  assert.equal([(await row(taken)).state, (await row(taken)).answer], ['answered', 'reject']);
  assert.is((await row(expired)).state, 'expired');
  assert.is((await row(open)).state, 'open');
});

test('the question of a mission that has ended is closed, and its answer refused', async () => {
  const [{ id: mission }] = await query('select add_mission($1) as id', [
    JSON.stringify({ kind: 'k', steps: [{ name: 'a', task: 'noop' }] }),
  ]);
  const id = await ask(`, mission_id => ${mission}`);
  await query('select cancel_mission($1)', [mission]);
  assert.is((await refusal(query('select approve($1)', [id]))).code, 'OC008');
  // Postgres tells of a refusal before its transaction has let go of the rows; those are left to the next second.
  await eventually(async () => {
    await query('select expire_approvals()');
    return (await row(id)).state === 'cancelled';
  }, 'the question is closed');
});

test('retention takes old answers and never an open question', async () => {
  const [answered, open] = [await ask(), await ask()];
  await query('select approve($1)', [answered]);
  await database.admin.query("insert into clock_override values (true, now() + interval '91 days')");
  await query('select apply_retention()');
  await database.admin.query('delete from clock_override');
  assert.is(await row(answered), undefined);
  assert.is((await row(open)).state, 'open');
  assert.is((await refusal(query('delete from ops_approvals'))).code, 'OC010');
});

test('a reader at night learns what happens, at what cost, and what happens without an answer', async () => {
  const id = await ask(
    `, detail => '{"effects": {"approve": "3 mails are sent"}, "cost_usd": "0.12"}', expires_in => '8 h', on_expiry => 'reject'`,
  );
  const { text } = await act('approvals show', [`a${id}`]);
  for (const said of [
    /May it go on\?/,
    /agent:scout/,
    /approve +3 mails are sent/,
    /\$0\.12/,
    /reject is taken at \d{4}/,
    new RegExp(`openclaw approve a${id}`),
    /--reason/,
  ])
    assert.match(text, said);
  assert.match(
    (await act('approvals list', [], { state: 'open', limit: '20' })).text,
    new RegExp(`a${id} .*May it go on`),
  );
  assert.match((await act('reject', [`a${id}`], { reason: 'not today' })).text, /answered: reject/);
  assert.is((await row(id)).reason, 'not today');
  assert.match((await act('approvals show', [`a${id}`])).text, /answered reject, by sql:openclaw_worker, not today/);
});

test.run();
