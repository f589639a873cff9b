import net from 'node:net';
import * as assert from 'uvu/assert';
import { openFeed } from '../../tui/feed/feed.ts';
import { PAGES } from '../../tui/pages/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { eventually } from '../harness/workers.ts';
import { openScreen } from './emulator.ts';

const test = suite('the feed of the screens, on a real database', { timeoutMs: 90_000 });
const LOCAL = { schedules: async () => [], canvas: async () => [] };
let database: TestDatabase;

test.before(async () => {
  database = await freshDatabase({ source: 'cli' });
});
test.after(() => database.drop());

const everything = () => ({ sections: PAGES.flatMap(({ sections }) => sections), missions: [1], jobs: [1] });
const feedOf = (url = database.urlFor('openclaw_tui'), pollMs = 50) =>
  openFeed({ reader: () => url, locals: LOCAL, pollMs });

test('the reading role may read every section, and none is broken or missing', async () => {
  const feed = feedOf();
  feed.demand({}, everything());
  const wanted = new Set(everything().sections.map(({ name }) => name));
  await eventually(
    async () => [...wanted].every((name) => name in feed.state().data),
    'each section has come',
    30_000,
  ).catch(() => undefined);
  assert.equal(Object.fromEntries(feed.state().broken), {});
  assert.equal([...feed.state().absent], []);
  assert.equal(
    [...wanted].filter((name) => !(name in feed.state().data)),
    [],
  );
  await feed.stop();
});

test('an idle system sends no byte to a terminal; a change is on it with the next poll, also without a doorbell', async () => {
  const feed = feedOf();
  const screen = openScreen(120, 40, { feed });
  await eventually(async () => /no mission yet/.test(await screen.text()), 'the first frame', 30_000);
  // Two polls in which the slower sections have come, too.
  const polled = async (count: number) => {
    const from = feed.polls();
    await eventually(async () => feed.polls() >= from + count, `${count} polls`, 30_000);
  };
  await eventually(async () => 'day' in feed.state().data && 'trouble' in feed.state().data, 'slow sections', 30_000);
  await polled(2);
  await screen.text();
  screen.bytes();
  await polled(20);
  await screen.text();
  assert.is(screen.bytes(), 0);
  const before = feed.polls();
  await database.pool.query("insert into ops_agent_events (kind, payload) values ('user.seen', '{}')");
  await eventually(async () => /user\.seen/.test(await screen.text()), 'the change', 30_000);
  assert.ok(feed.polls() - before < 60, 'it is there with one of the next polls');
  screen.session.end();
  await feed.stop();
});

test('a job that waits for a place of its limited task is in the queue, with what it waits for', async () => {
  await database.pool.query(
    `insert into ops_tasks (identifier, title, pool, effect, limits, max_attempts, timeout_ms, backoff, payload_schema, payload_predicate, file, content_hash, registered_by)
       values ('crawl', 'Crawl', 'missions', 'read', '{"limit": 2, "key": [["host"]]}', 3, 1000, '{}', '{}', '$', 'crawl.ts', '', 'test'),
              ('post', 'Post', 'missions', 'read', '{"interval_ms": 60000}', 3, 1000, '{}', '{}', '$', 'post.ts', '', 'test')`,
  );
  await database.pool.query(
    "insert into limit_slots (holder, task, key, start_at) select 'j' || n, 'crawl', 'web1', now() from generate_series(1, 2) n",
  );
  await database.pool.query("insert into limit_rates (task, free_at) values ('post', now() + interval '1 hour')");
  await database.pool.query(
    "insert into limit_waits (holder, task, key, priority) values ('j77', 'crawl', 'web1', 0), ('j78', 'post', '', 0)",
  );
  const feed = feedOf();
  const screen = openScreen(120, 40, { feed, now: Date.now });
  await screen.keys('3');
  await eventually(async () => /j78/.test(await screen.text()), 'the waiting jobs', 30_000);
  const text = await screen.text();
  assert.match(text, /j77 +◐ limited +crawl +0\/1 .*2 of 2 run for "web1"/);
  assert.match(text, /j78 +◐ limited +post +0\/1 .*next .*, one each 60 s/);
  assert.match(text, /2 at a limit/);
  assert.match(text, /2 jobs/, 'the header counts them');
  screen.session.end();
  await feed.stop();
});

/** Between a feed and its server: lets all through, or takes connections and bytes and answers nothing, as a frozen server does. */
async function proxyTo(url: string) {
  const target = new URL(url);
  const host = target.searchParams.get('host') ?? target.hostname;
  const port = Number(target.port || 5432);
  const to = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  const pairs = new Set<[net.Socket, net.Socket]>();
  let frozen = false;
  const server = net.createServer((socket) => {
    const other = net.connect(to);
    const pair: [net.Socket, net.Socket] = [socket, other];
    pairs.add(pair);
    for (const [from, into] of [pair, [other, socket] as const]) {
      from.on('data', (chunk) => void into.write(chunk));
      from.on('error', () => undefined);
      from.on('close', () => {
        pairs.delete(pair);
        into.destroy();
      });
    }
    if (frozen) for (const one of pair) one.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxied = new URL(url);
  proxied.searchParams.delete('host');
  proxied.hostname = '127.0.0.1';
  proxied.port = String((server.address() as net.AddressInfo).port);
  return {
    url: proxied.href,
    freeze: (now: boolean) => {
      frozen = now;
      for (const pair of pairs) for (const one of pair) now ? one.pause() : one.resume();
    },
    /** As a server that was stopped: its connections break, and it takes no new ones until it is `open` again. */
    stop: () => {
      server.close();
      for (const pair of pairs) for (const one of pair) one.destroy();
    },
    close: () => {
      server.close();
      for (const pair of pairs) for (const one of pair) one.destroy();
    },
  };
}

test('a server that stands still is noticed, what is known stays, acts are off, and it is back by itself', async () => {
  const proxy = await proxyTo(database.urlFor('openclaw_tui'));
  const feed = feedOf(proxy.url, 1000);
  const screen = openScreen(120, 40, { feed, now: Date.now });
  await eventually(async () => /user\.seen/.test(await screen.text()), 'the first frame', 30_000);
  const from = Date.now();
  proxy.freeze(true);
  await eventually(async () => /Postgres does not answer/.test(await screen.text()), 'the banner', 30_000);
  const noticedMs = Date.now() - from;
  // Three seconds are promised and measured by the bench; this machine may be busy.
  assert.ok(noticedMs < 15_000, `${noticedMs} ms`);
  const text = await screen.text();
  assert.match(text, /acts are off/);
  assert.match(text, /user\.seen/);
  assert.match(text, /link lost/);
  proxy.freeze(false);
  await eventually(async () => !/Postgres does not answer/.test(await screen.text()), 'it is back', 30_000);
  assert.match(await screen.text(), /live/);
  screen.session.end();
  await feed.stop();
  proxy.close();
});

test.run();
