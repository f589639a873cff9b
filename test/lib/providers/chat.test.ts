import * as assert from 'uvu/assert';
import { z } from 'zod';
import { loadConfig } from '../../../lib/config/index.ts';
import { type ChatDeps, type ChatMessage, chat, settingsReader } from '../../../lib/providers/index.ts';
import { type FakeModel, fakeModel, MODEL_ERRORS } from '../../fakes/models.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('providers: chat', { timeoutMs: 60_000 });

const KEYS = { minimax: 'canary-key-of-minimax', openrouter: 'canary-key-of-openrouter', xai: 'canary-key-of-xai' };

let database: TestDatabase;
let minimax: FakeModel;
let openrouter: FakeModel;
let xai: FakeModel;
let deps: ChatDeps;
let warnings: string[];

test.before(async () => {
  database = await freshDatabase();
  minimax = await fakeModel('minimax', KEYS.minimax);
  openrouter = await fakeModel('openrouter', KEYS.openrouter);
  xai = await fakeModel('xai', KEYS.xai);
  deps = depsFor({});
});
test.after(async () => database.drop());

function depsFor(env: Record<string, string>): ChatDeps {
  const config = loadConfig({
    env: {
      OPENCLAW_HOME: temporaryHome().home,
      MINIMAX_API_KEY: KEYS.minimax,
      MINIMAX_BASE_URL: `${minimax.url}/v1`,
      OPENROUTER_API_KEY: KEYS.openrouter,
      OPENROUTER_BASE_URL: `${openrouter.url}/api/v1`,
      XAI_API_KEY: KEYS.xai,
      XAI_BASE_URL: `${xai.url}/v1`,
      ...env,
    },
  });
  warnings = [];
  const log = { warn: (fields: unknown) => void warnings.push(JSON.stringify(fields)), info: () => undefined };
  return { db: database.pool, settings: settingsReader(config), log: log as never };
}

let runs = 0;
const ask = (content: string, more: Partial<Parameters<typeof chat>[1]> = {}) =>
  chat(deps, {
    messages: [{ role: 'user', content }],
    purpose: 'llm',
    origin: { run: `r${++runs}`, agent: 'milkbot' },
    ...more,
  });
const cooldowns = async () =>
  (
    await database.pool.query<{ id: string; fault: string; minutes: number; failures: number }>(
      `select provider || '/' || model as id, fault, failures, round(extract(epoch from until_at - failed_at) / 60)::integer as minutes from ops_model_cooldowns order by 1`,
    )
  ).rows;
const clearCooldowns = () => database.pool.query('delete from ops_model_cooldowns');
const lastOutcomes = async (count: number) =>
  (
    await database.pool.query(
      'select task, provider, model, success, state, prompt_tokens, completion_tokens, cost_usd::float8 as cost, error_class, agent from ops_outcomes order by id desc limit $1',
      [count],
    )
  ).rows;

test('an answer has its text, its price, its outcome row and its reservation settled', async () => {
  minimax.say((messages) => `<think>secret thoughts</think>You said: ${messages.at(-1)!.content}`);
  const answer = await ask('hello');
  assert.is(answer.text, 'You said: hello');
  assert.equal(
    [answer.provider, answer.model, answer.usage],
    ['minimax', 'MiniMax-M2.7', { promptTokens: 120, completionTokens: 30, costUsd: 0.000072 }],
  );
  const sent = minimax.requests.at(-1)!.json as Record<string, unknown>;
  assert.equal([sent.model, sent.reasoning_split, 'max_completion_tokens' in sent], ['MiniMax-M2.7', true, true]);
  assert.equal(await lastOutcomes(1), [
    {
      task: 'model_call',
      provider: 'minimax',
      model: 'MiniMax-M2.7',
      success: true,
      state: 'succeeded',
      prompt_tokens: 120,
      completion_tokens: 30,
      cost: 0.000072,
      error_class: null,
      agent: 'milkbot',
    },
  ]);
  const { rows } = await database.pool.query(
    `select state, cost_usd::float8 as cost from ops_spend order by id desc limit 1`,
  );
  assert.equal(rows, [{ state: 'settled', cost: 0.000072 }]);
});

test('a secret in a message does not leave', async () => {
  await ask(`look: ${KEYS.openrouter}`);
  assert.not.match(minimax.requests.at(-1)!.body, /canary-key-of-openrouter/);
});

test('the first is killed: the next answers, the first cools down by model, and one probe brings it back', async () => {
  const started = Date.now();
  await minimax.kill();
  const answer = await ask('who answers?');
  assert.is(answer.provider, 'openrouter');
  assert.is(answer.usage.costUsd, 0.00042, 'what the service itself says that it cost');
  assert.equal(
    answer.passedOver.map(({ id, fault }) => [id, fault]),
    [['minimax/MiniMax-M2.7', 'unreachable']],
  );
  assert.ok(Date.now() - started < 30_000);
  assert.equal(await cooldowns(), [{ id: 'minimax/MiniMax-M2.7', fault: 'unreachable', failures: 1, minutes: 1 }]);

  await minimax.revive();
  const asked = minimax.requests.length;
  assert.is((await ask('and now?')).passedOver[0]!.fault, 'cooling');
  assert.is(minimax.requests.length, asked, 'it is left alone while it cools down');

  await database.pool.query("update ops_model_cooldowns set until_at = now() - interval '1 second'");
  const turns = await Promise.all(
    Array.from({ length: 6 }, () =>
      database.pool
        .query<{ turn: string }>("select model_turn('minimax', 'MiniMax-M2.7') as turn")
        .then(({ rows }) => rows[0]!.turn),
    ),
  );
  assert.equal(turns.sort(), ['cooling', 'cooling', 'cooling', 'cooling', 'cooling', 'probe'], 'one caller probes');
  await database.pool.query('update ops_model_cooldowns set probe_until = null');
  assert.is((await ask('back?')).provider, 'minimax');
  assert.equal(await cooldowns(), []);
  const { rows } = await database.pool.query(
    "select kind from ops_agent_events where kind like 'service.%' order by id desc limit 2",
  );
  assert.equal(
    rows.map(({ kind }) => kind),
    ['service.recovered', 'service.cooling'],
  );
});

test('each further failure lengthens the pause: 1, 5, 25, 60 minutes; failures side by side count once', async () => {
  const ladder: number[] = [];
  for (let failure = 0; failure < 5; failure++) {
    minimax.script(
      { status: 500, body: { error: { message: 'oops' } } },
      { status: 500, body: { error: { message: 'oops' } } },
    );
    await ask('x');
    ladder.push((await cooldowns())[0]!.minutes);
    await database.pool.query(
      "update ops_model_cooldowns set until_at = now() - interval '1 second', failed_at = now() - interval '1 hour', probe_until = null",
    );
  }
  assert.equal(ladder, [1, 5, 25, 60, 60]);
  await clearCooldowns();
  minimax.script(...Array.from({ length: 8 }, () => ({ status: 500, body: {}, delayMs: 200 })));
  await Promise.all(Array.from({ length: 4 }, (_, index) => ask(`side by side ${index}`)));
  assert.is((await cooldowns())[0]!.failures, 1);
  await clearCooldowns();
});

/** What is brief is asked once more before the next model is. */
const FAULTS: [name: string, fault: string, minutes: number, asked: number][] = [
  ['minimaxBalance', 'no_credit', 60, 1],
  ['choicesNull', 'bad_answer', 1, 1],
  ['statusFailed', 'server', 1, 2],
  ['truncated', 'bad_answer', 1, 1],
  ['html', 'bad_answer', 1, 1],
  ['halfClosed', 'unreachable', 1, 2],
  ['openrouterUpstream', 'server', 1, 2],
  ['openrouterCredits', 'no_credit', 60, 1],
  ['xaiCredits', 'no_credit', 60, 1],
  ['rateLimited', 'rate_limited', 1, 1],
  ['rateLimitedBare', 'rate_limited', 1, 2],
];

for (const [name, fault, minutes, times] of FAULTS) {
  test(`${name}: ${fault}, the next one answers, nothing is billed`, async () => {
    await clearCooldowns();
    const before = minimax.requests.length;
    minimax.script(...Array.from({ length: times }, () => MODEL_ERRORS[name]!));
    const answer = await ask(`after ${name}`);
    assert.is(answer.provider, 'openrouter');
    assert.is(answer.passedOver[0]!.fault, fault, answer.passedOver[0]!.message);
    assert.is(minimax.requests.length - before, times);
    const [cooling] = await cooldowns();
    assert.equal([cooling!.fault, cooling!.minutes], [fault, minutes]);
    const failed = (await lastOutcomes(times + 1)).filter(({ success }) => !success);
    assert.is(failed.length, times);
    for (const row of failed) assert.equal([row.error_class, row.cost], [fault, 0]);
  });
}

test('a window that is used up is waited for to the time that the service states', async () => {
  await clearCooldowns();
  minimax.script(MODEL_ERRORS.minimaxWindow!);
  await ask('x');
  const { rows } = await database.pool.query(
    "select until_at > now() + interval '6 days' as far from ops_model_cooldowns",
  );
  assert.equal(rows, [{ far: true }]);
});

test('a hang is not waited for while another is left, and never longer than the timeout of the last', async () => {
  await clearCooldowns();
  minimax.script({ hang: true });
  const patient: ChatDeps = {
    ...deps,
    settings: {
      read: () => ({ ...deps.settings.read(), failover: { ...deps.settings.read().failover, patience_ms: 700 } }),
    },
  };
  const answer = await chat(patient, {
    messages: [{ role: 'user', content: 'hang' }],
    purpose: 'llm',
    origin: { run: 'hang' },
  });
  assert.equal([answer.provider, answer.passedOver[0]!.fault], ['openrouter', 'timeout']);
  const [, failed] = await lastOutcomes(2);
  assert.equal([failed!.error_class, failed!.cost > 0], ['timeout', true], 'it may have been answered, and billed');
});

test('a wrong key is no bad request, is not asked again soon, and is never echoed', async () => {
  await clearCooldowns();
  deps = depsFor({ XAI_API_KEY: 'xai-wrong-canary-0123456789abcdef' });
  const { code, message, faults } = (await ask('x', { model: 'xai' }).catch((error) => error)) as {
    code: string;
    message: string;
    faults: string[];
  };
  assert.is(code, 'E_MODELS_FAILED');
  assert.match(faults.join(), /unauthorized/);
  const { rows } = await database.pool.query(
    'select message from ops_model_cooldowns union all select payload::text from ops_agent_events',
  );
  for (const text of [message, ...faults, ...warnings, ...rows.map((row) => row.message)])
    assert.not.match(text, /canary/);
  assert.is((await cooldowns())[0]!.minutes, 60);
  deps = depsFor({});
  await clearCooldowns();
});

test('too long for the service after all: sent once more at half, and the model does not cool down for it', async () => {
  minimax.script({ status: 400, body: { error: { message: "This model's maximum context length is 8192 tokens" } } });
  assert.is((await ask('long')).provider, 'minimax');
  assert.equal(await cooldowns(), []);
});

const Shape = z.object({ city: z.string(), people: z.number().int() });
const shaped = (content: string) =>
  ask(content, { shape: { name: 'city', schema: Shape } }) as Promise<{
    data: z.infer<typeof Shape>;
    usage: { promptTokens: number };
  }>;

test('an answer of a shape: fenced, mended once with its faults, else the next model', async () => {
  minimax.say(() => 'Sure!\n```json\n{"city": "Bern", "people": 140000}\n```\nAnything else?');
  assert.equal((await shaped('a')).data, { city: 'Bern', people: 140_000 });

  const seen: ChatMessage[][] = [];
  minimax.say((messages) => {
    seen.push(messages as ChatMessage[]);
    return seen.length === 1 ? '{"city": "Bern", "people": "many"}' : '{"city": "Bern", "people": 1}';
  });
  const mended = await shaped('b');
  assert.equal(mended.data, { city: 'Bern', people: 1 });
  assert.is(mended.usage.promptTokens, 240, 'both calls count');
  assert.match(seen[1]!.at(-1)!.content, /people: .*number/);

  minimax.say(() => 'I would rather not.');
  openrouter.say(() => '{"city": "Basel", "people": 2}');
  assert.equal((await shaped('c')).data, { city: 'Basel', people: 2 });
  assert.equal(await cooldowns(), [], 'the model works; it only was no good at this');
  const request = openrouter.requests.at(-1)!.json as {
    response_format: { type: string; json_schema: { name: string } };
  };
  assert.equal([request.response_format.type, request.response_format.json_schema.name], ['json_schema', 'city']);
  minimax.say(() => 'ok');
  openrouter.say(() => 'ok');
});

test('the fifth identical question of a run ends it; another run, or another question, goes on', async () => {
  const once = (content: string, run: string) =>
    chat(deps, { messages: [{ role: 'user', content }], purpose: 'llm', origin: { run } });
  for (let time = 1; time <= 4; time++) await once('again', 'm77');
  const { code, message } = await refusal(once('again', 'm77'));
  assert.is(code, 'E_LOOP');
  assert.match(message, /5th time in m77/);
  await once('again', 'm78');
  await once('something else', 'm77');
});

test('a budget that is used up, and a price that is not known, stop the call before it is made', async () => {
  const asked = minimax.requests.length + openrouter.requests.length + xai.requests.length;
  const settings = deps.settings.read();
  const unpriced = structuredClone(settings.providers.get('minimax')!) as {
    models: Record<string, { usd_per_million?: unknown }>;
  };
  delete unpriced.models['MiniMax-M2.7']!.usd_per_million;
  const blind: ChatDeps = {
    ...deps,
    settings: {
      read: () => ({ ...settings, providers: new Map([...settings.providers, ['minimax', unpriced as never]]) }),
    },
  };
  const price = await refusal(
    chat(blind, { messages: [{ role: 'user', content: 'p' }], purpose: 'llm', origin: { run: 'p' } }),
  );
  assert.is(price.code, 'E_HELD_PRICE_UNKNOWN');
  await database.pool.query(`select set_policy('budget.usd', '{"day": 0, "month": 0, "mission": 0}')`);
  const { code } = await refusal(ask('b'));
  assert.is(code, 'E_HELD_BUDGET');
  assert.is(minimax.requests.length + openrouter.requests.length + xai.requests.length, asked);
});

test('a local server needs no key, and costs nothing, so that it answers under a budget of nothing', async () => {
  const local = await fakeModel('local');
  deps = depsFor({ LOCAL_MODEL_BASE_URL: `${local.url}/v1` });
  local.say(() => 'from next door');
  const answer = await ask('hello', { model: 'local' });
  assert.equal([answer.text, answer.usage.costUsd], ['from next door', 0]);
});

test('a breaker that a person or Atlas has opened keeps the whole provider out', async () => {
  await database.pool.query("select trip_breaker('service:local', '10 minutes', 'looked wrong')");
  const { code, message } = await refusal(ask('open?', { model: 'local' }));
  assert.is(code, 'E_MODELS_FAILED', message);
  await database.pool.query("select reset_breaker('service:local')");
  assert.is((await ask('open?', { model: 'local' })).provider, 'local');
});

test('the caller gives up: its own reason comes back, and nobody cools down for it', async () => {
  minimax.script({ hang: true });
  const given = new AbortController();
  const waiting = ask('slow', { model: 'local', signal: given.signal }).catch((error) => error);
  given.abort(new Error('no longer wanted'));
  assert.is(((await waiting) as Error).message, 'no longer wanted');
  assert.equal(await cooldowns(), []);
});

test.run();
