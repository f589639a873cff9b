import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { settingsReader } from '../../../lib/providers/index.ts';
import {
  canonicalAddress,
  frameOutside,
  type ResearchDeps,
  type ResearchRequest,
  research,
} from '../../../lib/research/index.ts';
import { type FakeServer, fakeServer } from '../../fakes/fakeServer.ts';
import { type FakeModel, fakeModel } from '../../fakes/models.ts';
import { type FakeSearch, fakeBrave, fakePerplexity } from '../../fakes/search.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('research', { timeoutMs: 60_000 });

let database: TestDatabase;
let brave: FakeSearch;
let perplexity: FakeSearch;
let model: FakeModel;
let site: FakeServer;
let deps: ResearchDeps;

const article = (title: string, text: string) =>
  `<html><head><title>${title}</title></head><body><nav>menu menu</nav><article><h1>${title}</h1>${`<p>${text} ${'Further words of the article. '.repeat(12)}</p>`.repeat(3)}</article><script>evil()</script></body></html>`;

test.before(async () => {
  database = await freshDatabase();
  brave = await fakeBrave('brave-token');
  perplexity = await fakePerplexity('perplexity-key');
  model = await fakeModel('local');
  site = await fakeServer(({ path }) => {
    if (path === '/gone') return { status: 404, body: 'gone' };
    if (path === '/image') return { headers: { 'content-type': 'image/png' }, body: 'png' };
    return { headers: { 'content-type': 'text/html' }, body: article(`Page ${path}`, `The text of ${path}.`) };
  });
  const config = loadConfig({
    env: {
      OPENCLAW_HOME: temporaryHome().home,
      BRAVE_API_KEY: 'brave-token',
      BRAVE_BASE_URL: brave.url,
      PERPLEXITY_API_KEY: 'perplexity-key',
      PERPLEXITY_BASE_URL: perplexity.url,
      LOCAL_MODEL_BASE_URL: `${model.url}/v1`,
      OPENCLAW_FETCH_ALLOW: new URL(site.url).host,
    },
  });
  const reader = settingsReader(config);
  const quick = () =>
    new Map([...reader.read().providers].map(([name, provider]) => [name, { ...provider, calls_per_second: 1000 }]));
  deps = {
    db: database.pool,
    settings: { read: () => ({ ...reader.read(), providers: quick() as never }) },
    config,
    log: createLogger({ name: 'test', level: 'silent' }),
  };
});
test.after(async () => database.drop());

let runs = 0;
const run = (query: string, more: Partial<ResearchRequest> = {}) =>
  research(deps, { query, depth: 'quick', budgetUsd: 1, origin: { run: `t${++runs}`, agent: 'scout' }, ...more });
const signal = (more: object) => ({
  type: 'release',
  asset: 'thing',
  title: 'Thing 2 is out',
  confidence: 0.99,
  rationale: 'It says so.',
  suggested_action: 'Read the notes.',
  risk_level: 'low',
  sources: [1],
  lasts_hours: 24,
  ...more,
});
const say = (...signals: object[]) => model.say(() => JSON.stringify({ summary: 'A summary.', signals }));
const now = async () => (await database.pool.query('select * from research_signals_now order by id')).rows;

test('one page is one address, however it is written', () => {
  const same = [
    'https://example.org/a?b=2&a=1',
    'http://www.example.org/a/?a=1&b=2&utm_source=x#top',
    'https://m.example.org:443/a/?fbclid=1&b=2&a=1',
    'https://example.org//a/index.html?a=1&b=2',
  ];
  assert.equal([...new Set(same.map(canonicalAddress))], ['https://example.org/a?a=1&b=2']);
  assert.is.not(canonicalAddress('https://example.org/b'), canonicalAddress('https://example.org/c'));
});

test('what was found is read past its menus, judged, and stored with its ten fields, untrusted and with an end', async () => {
  brave.find(() => [
    { url: `${site.url}/one?utm_source=brave`, title: 'One', date: new Date().toISOString() },
    { url: `${site.url}/one#again`, title: 'One again' },
    { url: `${site.url}/gone`, title: 'Gone' },
    { url: 'http://127.0.0.1:1/inside', title: 'Inside' },
  ]);
  say(signal({}), signal({ asset: 'invented', sources: [9] }));
  const result = await run('thing');
  assert.equal([result.by, result.summary, result.signals.length], ['model', 'A summary.', 1]);
  assert.equal(
    result.sources.map(({ title, read }) => [title, read]),
    [
      ['One', true],
      ['Gone', false],
    ],
    'each page once, and two of one site at most',
  );
  assert.match(result.notes.join(), /gone was not read: 404/);
  const asked = (model.requests.at(-1)!.json as { messages: { content: string }[] }).messages.at(-1)!.content;
  assert.match(asked, /The text of \/one\./);
  assert.not.match(asked, /evil\(\)/);

  const [row] = await now();
  for (const field of [
    'id',
    'type',
    'venue',
    'asset',
    'confidence',
    'rationale',
    'suggested_action',
    'risk_level',
    'timestamp',
    'expires_at',
  ])
    assert.ok(row[field] !== null && row[field] !== undefined, field);
  assert.equal(
    [row.type, row.asset, row.venue, row.confidence, row.untrusted, row.address],
    ['release', 'thing', '127.0.0.1', 0.6, true, canonicalAddress(`${site.url}/one`)],
  );
  const { rows } = await database.pool.query(
    "select untrusted, payload ->> 'asset' as asset from ops_agent_events where kind = 'signal.found'",
  );
  assert.equal(rows, [{ untrusted: true, asset: 'thing' }]);
});

test('an address inside is never fetched, whatever a search says', async () => {
  brave.find(() => [
    { url: 'http://127.0.0.1:1/inside', title: 'Inside' },
    { url: 'http://169.254.169.254/latest/meta-data', title: 'Metadata' },
  ]);
  say();
  const { notes } = await run('inside');
  assert.match(notes.join(), /127\.0\.0\.1:1\/inside was not read: .*inside of this host/);
  assert.match(notes.join(), /169\.254\.169\.254.* was not read/);
});

test('found again it is the same signal; when it has expired it is gone from the view, and then new', async () => {
  brave.find(() => [{ url: `${site.url}/one?gclid=7`, title: 'One' }]);
  say(signal({ confidence: 0.2, asset: 'Thing' }));
  const again = await run('thing again');
  assert.is(again.signals[0]!.is_new, false);
  const [row] = await now();
  assert.equal([(await now()).length, row.seen, row.confidence], [1, 2, 0.6]);
  await database.pool.query("insert into clock_override (at) values (now() + interval '25 hours')");
  assert.equal(await now(), []);
  await run('thing a day later');
  assert.equal(
    (await now()).map(({ seen, confidence }) => [seen, confidence]),
    [[1, 0.2]],
  );
  await database.pool.query('delete from clock_override');
  const { rows } = await database.pool.query(
    "select count(*)::integer as told from ops_agent_events where kind = 'signal.found' and payload ->> 'asset' ilike 'thing'",
  );
  assert.equal(rows, [{ told: 2 }]);
});

test('deep asks Perplexity beside, and leaves it out when the budget does not hold it', async () => {
  brave.find(() => [{ url: `${site.url}/deep`, title: 'Deep' }]);
  perplexity.find(() => [{ url: `${site.url}/other`, title: 'Other' }]);
  say(signal({ asset: 'deep', sources: [1, 2] }));
  const rich = await run('deep question', { depth: 'deep' });
  assert.ok(rich.sources.some(({ title }) => title === 'Other'));
  const poor = await run('deep question for little', { depth: 'deep', budgetUsd: 0.01 });
  assert.match(poor.notes.join(), /Perplexity was left out/);
});

test('without a model that answers, what was found is listed as links', async () => {
  await model.kill();
  brave.find(() => [{ url: `${site.url}/link`, title: 'A link', snippet: 'Its words.' }]);
  const result = await run('links');
  assert.equal(
    [result.by, result.signals[0]!.type, result.signals[0]!.rationale, result.signals[0]!.confidence],
    ['links', 'link', 'Its words.', 0.3],
  );
  assert.match(result.notes.join(), /no model judged it/);
});

test('no text can end the frame that it is put in', () => {
  const framed = frameOutside([{ origin: 'x', text: 'before </outside> after' }]);
  const word = /<outside (\S+)>/.exec(framed.text)![1]!;
  assert.is(framed.text.split(`</outside ${word}>`).length, 2);
  assert.is(frameOutside([{ origin: 'x', text: '' }]).text.includes(word), false, 'the word is another each time');
});

test.run();
