import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { settingsReader } from '../../../lib/providers/index.ts';
import { type SearchDeps, type SearchRequest, search } from '../../../lib/search/index.ts';
import type { Scripted } from '../../fakes/fakeServer.ts';
import {
  BRAVE_RATE_LIMITED,
  type FakeSearch,
  fakeBrave,
  fakePerplexity,
  PERPLEXITY_FAILED,
} from '../../fakes/search.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('search');
const KEYS = { brave: 'canary-token-of-brave', perplexity: 'canary-key-of-perplexity' };

let database: TestDatabase;
let brave: FakeSearch;
let perplexity: FakeSearch;
let deps: SearchDeps;

test.before(async () => {
  database = await freshDatabase();
  brave = await fakeBrave(KEYS.brave);
  perplexity = await fakePerplexity(KEYS.perplexity);
  deps = depsFor({});
});
test.after(async () => database.drop());

function depsFor(env: Record<string, string>): SearchDeps {
  const config = loadConfig({
    env: {
      OPENCLAW_HOME: temporaryHome().home,
      BRAVE_API_KEY: KEYS.brave,
      BRAVE_BASE_URL: brave.url,
      PERPLEXITY_API_KEY: KEYS.perplexity,
      PERPLEXITY_BASE_URL: perplexity.url,
      ...env,
    },
  });
  // The pace is proven by one test alone.
  const reader = settingsReader(config);
  const settings = {
    read: () => ({
      ...reader.read(),
      providers: new Map(
        [...reader.read().providers].map(([name, provider]) => [name, { ...provider, calls_per_second: 1000 }]),
      ),
    }),
  };
  return { db: database.pool, settings: settings as never, log: createLogger({ name: 'test', level: 'silent' }) };
}

let runs = 0;
const find = (query: string, more: Partial<SearchRequest> = {}, using = deps) =>
  search(using, { query, depth: 'links', origin: { run: `s${++runs}`, agent: 'scout' }, ...more });
const spent = async () =>
  (
    await database.pool.query<{ usd: number }>(
      "select coalesce(sum(cost_usd), 0)::float8 as usd from ops_outcomes where task = 'search_call'",
    )
  ).rows[0]!.usd;
const closeBreakers = () => database.pool.query('delete from ops_breakers');

test('links come from Brave, plain, and are billed once: the same question within a day is answered by the cache', async () => {
  brave.find(() => [
    {
      url: 'https://example.org/one?utm_source=x',
      title: 'One <strong>bold</strong> &amp; more',
      snippet: 'red\u001b[31m \u202e text',
      date: '2026-11-01T10:00:00',
    },
    { url: 'javascript:alert(1)' },
    { url: 'https://user:pw@example.org/' },
  ]);
  const answer = await find('What  is\nnew?');
  assert.equal([answer.venue, answer.query, answer.cached, answer.costUsd], ['brave', 'What is new?', false, 0.005]);
  assert.equal(answer.results, [
    {
      url: 'https://example.org/one?utm_source=x',
      title: 'One bold & more',
      snippet: 'red [31m text',
      date: new Date('2026-11-01T10:00:00').toISOString(),
    },
  ]);
  const asked = brave.requests.length;
  const again = await find('what is NEW?');
  assert.equal([again.cached, again.costUsd, again.results.length, brave.requests.length], [true, 0, 1, asked]);
  await database.pool.query("update ops_search_cache set expires_at = now() - interval '1 second'");
  assert.is((await find('what is new?')).cached, false);
  assert.is(await spent(), 0.01);
  const { rows } = await database.pool.query(
    'select success, provider, agent, cost_usd::float8 as cost from ops_outcomes order by id desc limit 1',
  );
  assert.equal(rows, [{ success: true, provider: 'brave', agent: 'scout', cost: 0.005 }]);
});

test('depth is asked of Perplexity: a pinned model, with the search tool; its own price is what is billed', async () => {
  const answer = await find('why?', { depth: 'answer', freshness: 'week' });
  assert.equal(
    [answer.venue, answer.answer, answer.costUsd, answer.results.map(({ url }) => url)],
    ['perplexity', 'It is so [1].', 0.008, ['https://example.org/p']],
  );
  const sent = perplexity.requests.at(-1)!;
  const body = sent.json as { model: string; tools: { type: string; filters: unknown }[] };
  assert.equal(
    [sent.path, body.model, body.tools[0]!.type, body.tools[0]!.filters],
    ['/v1/agent', 'perplexity/sonar', 'web_search', { search_recency_filter: 'week' }],
  );
});

test('errors cost nothing, whatever their shape; the other venue gives the links', async () => {
  const before = await spent();
  const scripts: Scripted[] = [
    { status: 500, body: { error: {} } },
    { headers: { 'content-type': 'text/html' }, body: '<html>challenge with a secret</html>' },
    { headers: { 'content-type': 'application/json' }, body: '{"type":"search","web":{"res' },
    { body: { type: 'search', web: { results: null } } },
    { body: { web: { results: [] } }, cutAfterBytes: 5 },
    { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
  ];
  for (const [index, script] of scripts.entries()) {
    await closeBreakers();
    brave.script(script);
    const answer = await find(`broken ${index}`);
    assert.is(answer.venue, 'perplexity', `script ${index}`);
  }
  await closeBreakers();
  perplexity.script(PERPLEXITY_FAILED);
  const { code } = await refusal(find('failed run', { depth: 'answer' }));
  assert.is(code, 'E_SEARCH_FAILED');
  assert.is(Math.round(((await spent()) - before) / 0.005), scripts.length, 'only the answers were billed');
  const { rows } = await database.pool.query(
    "select count(*)::integer as open from ops_spend where state = 'reserved'",
  );
  assert.equal(rows, [{ open: 0 }]);
});

test('three failures in a row open the breaker: then nothing is asked, and a probe closes it', async () => {
  await closeBreakers();
  brave.script(...Array.from({ length: 3 }, () => ({ status: 500, body: { error: {} } })));
  for (let index = 0; index < 3; index++) await refusal(find(`down ${index}`, { venue: 'brave' }));
  const asked = brave.requests.length;
  const { code } = await refusal(find('down 3', { venue: 'brave' }));
  assert.equal([code, brave.requests.length], ['E_HELD_BREAKER', asked]);
  await database.pool.query("update ops_breakers set open_until = now() - interval '1 second'");
  assert.is((await find('up again', { venue: 'brave' })).venue, 'brave');
  await closeBreakers();
});

test('a month that is used up is asked no more until the service says so; the pace is kept across callers', async () => {
  brave.script(BRAVE_RATE_LIMITED);
  await refusal(find('used up', { venue: 'brave' }));
  const asked = brave.requests.length;
  const second = (await find('used up 2', { venue: 'brave' }).catch((error) => error)) as { faults: string[] };
  assert.match(second.faults.join(), /rate_limited: its window is used up/);
  assert.is(brave.requests.length, asked);
  await database.pool.query('delete from ops_service_windows');
  await closeBreakers();
  const waits = await Promise.all(
    Array.from({ length: 5 }, () =>
      database.pool
        .query<{ wait: number }>("select take_call_turn('pace', '1 second') as wait")
        .then(({ rows }) => rows[0]!.wait),
    ),
  );
  waits.sort((a, b) => a - b);
  assert.ok(waits[0] === 0 && waits[4]! > 2500 && waits[4]! <= 4000, waits.join());
  const { rows } = await database.pool.query<{ wait: number | null }>(
    "select take_call_turn('pace', '1 second', '2 seconds') as wait",
  );
  assert.is(rows[0]!.wait, null, 'nobody waits longer than a moment');
});

test('a wrong key is named without being shown', async () => {
  const wrong = depsFor({ BRAVE_API_KEY: 'canary-wrong-token' });
  const { faults } = (await find('key', { venue: 'brave' }, wrong).catch((error) => error)) as { faults: string[] };
  assert.match(faults.join(), /brave: unauthorized: 422: SUBSCRIPTION_TOKEN_INVALID/);
  assert.not.match(faults.join(), /canary/);
  await closeBreakers();
});

test('without a key the error names it; the same search five times in a run without news ends the run', async () => {
  const none = depsFor({ BRAVE_API_KEY: '', PERPLEXITY_API_KEY: '' });
  assert.is((await refusal(find('x', {}, none))).code, 'E_NO_SEARCH');
  const once = () => search(deps, { query: 'round and round', depth: 'links', origin: { run: 'm5' } });
  for (let time = 1; time <= 4; time++) await once();
  assert.is((await refusal(once())).code, 'E_LOOP');
});

test.run();
