import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { type Goal, type Planned, type PlannerDeps, planGoal, plannedText } from '../../../lib/planner/index.ts';
import { settingsReader } from '../../../lib/providers/index.ts';
import { type FakeModel, fakeModel } from '../../fakes/models.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('planner', { timeoutMs: 60_000 });

let database: TestDatabase;
let model: FakeModel;

test.before(async () => {
  database = await freshDatabase();
  model = await fakeModel('local');
});
test.after(async () => database.drop());

function deps(env: Record<string, string> = { LOCAL_MODEL_BASE_URL: `${model.url}/v1` }): PlannerDeps {
  const config = loadConfig({ env: { OPENCLAW_HOME: temporaryHome().home, ...env } });
  return {
    db: database.pool,
    config,
    settings: settingsReader(config),
    log: createLogger({ name: 'test', level: 'silent' }),
  };
}
let goals = 0;
const plan = (words: string, more: Partial<Goal> = {}, using = deps()) =>
  planGoal(using, { words, origin: { run: `g${++goals}` }, ...more });
/** What the model says, one answer after the other; the last one stays. */
function answers(...plans: unknown[]): void {
  let index = 0;
  model.say(() => JSON.stringify(plans[Math.min(index++, plans.length - 1)]));
}
const steps = (...list: object[]) => ({ cannot: '', plan: { kind: 'look_up', title: 'Look it up', steps: list } });
const look = { name: 'look', task: 'web_search', payload: { query: 'postgres 18' } };
const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
type Proposed = Extract<Planned, { outcome: 'proposed' }>;

test('a goal becomes a proposal of the agent, with steps and cost, and an effect outside waits for a person', async () => {
  answers(
    steps(look, {
      name: 'tell',
      task: 'notify',
      needs: ['look'],
      payload: { text: { $path: '$.steps.look.output.answer', default: 'nothing' } },
    }),
  );
  const planned = (await plan('what is new in postgres 18, as a note')) as Proposed;
  assert.equal(
    [planned.outcome, planned.state, planned.mission, planned.repairs, planned.costEstimateUsd],
    ['proposed', 'proposed', null, 0, 0.005],
  );
  const [row] = await query(
    'select state, actor, agent, source, cost_estimate_usd::float8 as cost, mission_id from ops_mission_proposals where id = $1',
    [planned.proposal],
  );
  assert.equal(row, {
    state: 'proposed',
    actor: 'agent:milkbot',
    agent: 'milkbot',
    source: 'agent',
    cost: 0.005,
    mission_id: null,
  });
  assert.equal(await query('select kind, state from ops_approvals where id = $1', [planned.approval]), [
    { kind: 'proposal', state: 'open' },
  ]);
  assert.match(
    plannedText(planned),
    /^p\d+ proposed: Look it up\n1\. look: web_search\n2\. tell: notify \(after look\)\nabout \$0\.0050\nNothing starts before you say so: openclaw approve a\d+/,
  );
});

test('what the database finds wrong goes back to the model, twice at most, and then the answer is clear', async () => {
  answers(steps({ ...look, payload: {} }), steps(look));
  const before = model.requests.length;
  assert.is(((await plan('mend it')) as Proposed).repairs, 1);
  const repair = (model.requests.at(-1)!.json as { messages: { content: string }[] }).messages.at(-1)!.content;
  assert.match(repair, /steps\[0\] look: .*query/);
  assert.is(model.requests.length - before, 2);

  answers(steps({ name: 'x', task: 'no_such_task' }));
  const unsound = await plan('never sound');
  assert.is(unsound.outcome, 'unsound');
  assert.is(model.requests.length - before, 5, 'one plan and two repairs');
  assert.match(
    plannedText(unsound),
    /stayed unsound after two repairs:\n- step x: task "no_such_task" is none of those that were listed[\s\S]*host_report/,
  );
});

test('a model chooses among the tasks that it was shown: what reads every table is withheld', async () => {
  answers(steps({ name: 'read', task: 'run_sql', payload: { sql: 'select * from ops_spend' } }));
  assert.is((await plan('read everything')).outcome, 'unsound');
  const asked = (model.requests.at(-1)!.json as { messages: { content: string }[] }).messages
    .map(({ content }) => content)
    .join();
  assert.match(asked, /- web_search \(read\)/);
  assert.not.match(asked, /- run_sql/);
});

test('a goal that the tasks cannot reach is said so, with the plans that there are', async () => {
  answers({ cannot: 'There is no task that brews coffee.', plan: null });
  const planned = await plan('brew a coffee');
  assert.equal(
    [planned.outcome, planned.outcome === 'cannot' && planned.reason],
    ['cannot', 'There is no task that brews coffee.'],
  );
});

test('without a model it says so, and offers the plans that there are by search', async () => {
  const asked = model.requests.length;
  const planned = await plan('a report about this host please', {}, deps({}));
  assert.is(planned.outcome, 'no_model');
  assert.match(
    plannedText(planned),
    /^No plan: no model is configured: set one in config\/\.env[\s\S]*- host_report: /,
  );
  assert.is(model.requests.length, asked);
});

test.run();
