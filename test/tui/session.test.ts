import * as assert from 'uvu/assert';
import { suite } from '../harness/suite.ts';
import { fakeActor, fakeFeed, NOON, openScreen } from './emulator.ts';
import { missionRow, sampleState } from './sample.ts';

const test = suite('a session on an emulated terminal');

test('the first frame shows what needs somebody, what moves and how it goes', async () => {
  const screen = openScreen(120, 40, { feed: fakeFeed(sampleState()) });
  const text = await screen.text();
  assert.match(text, /Needs you: 2/);
  assert.match(text, /✗ m9 +failed .*the page answers 503/);
  assert.match(text, /m12 +● running +1\/3 .*Morning brief/);
  assert.match(text, /missions +3\/8 busy/);
  assert.match(text.split('\n').at(-1)!, /enter open .*\? help +q quit/);
  screen.session.end();
});

test('no change writes no byte, and a change only its cells', async () => {
  const feed = fakeFeed(sampleState());
  const screen = openScreen(120, 40, { feed });
  await screen.text();
  assert.ok(screen.bytes() > 1000);
  screen.session.flush();
  feed.set({ data: { ...feed.state().data } });
  await screen.text();
  assert.is(screen.bytes(), 0);
  const work = feed.state().data.work as { jobs: object };
  feed.set({ data: { ...feed.state().data, work: { ...work, jobs: { ...work.jobs, ready: 13 } } } });
  assert.match(await screen.text(), /13 ready/);
  const bytes = screen.bytes();
  assert.ok(bytes > 0 && bytes < 400, `${bytes} bytes`);
  screen.session.end();
});

test('the cursor stays on its row by id, whatever comes and goes', async () => {
  const feed = fakeFeed(sampleState());
  const screen = openScreen(100, 30, { feed });
  await screen.keys('2', 'j', 'j', 'j');
  const chosen = /▸(m\d+)/.exec(await screen.text())![1]!;
  const missions = feed.state().data.missions as object[];
  feed.set({
    data: {
      ...feed.state().data,
      missions: [
        missionRow(14, { state: 'failed', error: 'x' }),
        missionRow(13, { state: 'failed', error: 'y' }),
        ...missions,
      ],
    },
  });
  assert.match(await screen.text(), new RegExp(`▸${chosen} `));
  screen.session.end();
});

test('a filter narrows the list and puts the cursor on the first match', async () => {
  const screen = openScreen(100, 30, { feed: fakeFeed(sampleState()) });
  await screen.keys('2', '/', ...'brief');
  assert.match(await screen.text(), /\/brief/);
  await screen.keys('enter');
  const text = await screen.text();
  assert.match(text, /▸m12 /);
  assert.not.match(text, /m9 /);
  assert.match(text, /11 hidden by the filter/);
  await screen.keys('escape');
  assert.match(await screen.text(), /m9 /);
  screen.session.end();
});

test('what is hard to reverse is confirmed by its typed id; a paste and a wrong word do nothing', async () => {
  const actor = fakeActor();
  const screen = openScreen(100, 30, { feed: fakeFeed(sampleState()), actor });
  await screen.keys('2', '/', ...'brief', 'enter', 'x');
  assert.match(await screen.text(), /Type m12 and press enter/);
  await screen.raw('\x1b[200~m12\r\x1b[201~');
  await screen.keys('enter');
  assert.match(await screen.text(), /that is not "m12"/);
  assert.equal(actor.calls, []);
  await screen.keys(...'m12', 'enter');
  assert.match(await screen.text(), /did missions cancel m12/);
  assert.equal(actor.calls, [['missions cancel', ['m12'], {}]]);
  // Esc leaves a dialog without an act.
  await screen.keys('x', 'escape', ...'m12', 'enter');
  assert.is(actor.calls.length, 1);
  screen.session.end();
});

test('a row that changed since it was drawn is left alone', async () => {
  const actor = fakeActor('operator', { statesOf: async () => new Map([['m12', 'succeeded']]) });
  const screen = openScreen(100, 30, { feed: fakeFeed(sampleState()), actor });
  await screen.keys('2', '/', ...'brief', 'enter', 'x', ...'m12', 'enter');
  assert.match(await screen.text(), /m12 is succeeded by now: nothing was done to it/);
  assert.equal(actor.calls, []);
  screen.session.end();
});

test('a viewer may not act and is told why; an ended mission says that it has ended', async () => {
  const viewer = openScreen(100, 30, { feed: fakeFeed(sampleState()), actor: fakeActor('viewer') });
  await viewer.keys('2', 'x');
  assert.match(await viewer.text(), /ada may look, not act/);
  viewer.session.end();
  const screen = openScreen(100, 30, { feed: fakeFeed(sampleState()) });
  await screen.keys('2', 'G', 'x');
  assert.match(await screen.text(), /m1 has ended \(succeeded\)/);
  screen.session.end();
});

test('an act on marked rows says how many, and is confirmed by that number', async () => {
  const actor = fakeActor();
  const screen = openScreen(100, 30, { feed: fakeFeed(sampleState()), actor });
  await screen.keys('2', '*', 'x');
  const text = await screen.text();
  assert.match(text, /cancel 3 rows: .*m12/);
  assert.match(text, /9 rows of the marked cannot/);
  await screen.keys('3', 'enter');
  assert.is(actor.calls.length, 3);
  assert.match(await screen.text(), /cancel: 3 rows done/);
  screen.session.end();
});

test('an act on all that match is counted first, and confirmed by that number', async () => {
  const calls: unknown[] = [];
  const actor = fakeActor('operator', {
    perform: async (...call) => {
      calls.push(call);
      const applied = call[2]?.apply === true;
      return {
        ok: true,
        text: applied ? 'missions retry: 412 of 412 done' : 'missions retry: 412 match: m1 m2 ...',
        json: { matched: 412 },
      };
    },
  });
  const screen = openScreen(100, 30, { feed: fakeFeed(sampleState()), actor });
  await screen.keys('2', 'B', ...'state=failed since=2h', 'enter');
  assert.match(await screen.text(), /412 match: m1 m2[\s\S]*Type 412 and press enter/);
  await screen.keys(...'41', 'enter');
  assert.is(calls.length, 1, 'a wrong number changes nothing');
  await screen.keys('2', 'enter');
  assert.match(await screen.text(), /412 of 412 done/);
  assert.equal(calls, [
    ['missions retry', [], { filter: 'state=failed since=2h' }],
    ['missions retry', [], { filter: 'state=failed since=2h', apply: true }],
  ]);
  screen.session.end();
});

test('an ended mission is taken up again from the step under the cursor, after its typed id', async () => {
  const actor = fakeActor();
  const screen = openScreen(100, 30, { feed: fakeFeed(sampleState()), actor });
  await screen.keys(':', ...'m9', 'enter');
  assert.match(await screen.text(), /▸ *└? *fetch +✗ failed/, 'the cursor is on what failed');
  await screen.keys('f', ...'m9', 'enter');
  assert.equal(actor.calls, [['missions retry', ['m9'], { from: 'fetch' }]]);
  await screen.keys('r');
  assert.equal(actor.calls[1], ['missions retry', ['m9'], {}]);
  screen.session.end();
});

test('with Postgres away a banner says so, what is known stays, and acts are off', async () => {
  const feed = fakeFeed(sampleState());
  const actor = fakeActor();
  const screen = openScreen(120, 30, { feed, actor });
  await screen.keys('2');
  feed.set({ postgres: { up: false, since: NOON - 12_000, error: 'connection refused', retryAt: NOON + 1000 } });
  const text = await screen.text();
  assert.match(
    text,
    /Postgres does not answer for 12 s · acts are off · next try in 1 s \(R\) · what you see is from 12:00:00/,
  );
  assert.match(text, /m12 +● running/);
  await screen.keys('x');
  assert.match(await screen.text(), /not live: acts are off/);
  feed.set({ postgres: { up: true, since: NOON }, redis: { up: false, since: NOON - 5000 } });
  assert.match(await screen.text(), /Redis does not answer for 5 s: everything goes on/);
  assert.not.match(await screen.text(), /Postgres does not answer/);
  screen.session.end();
});

test('text from outside moves nothing and colours nothing', async () => {
  const title = 'a\x1b[2J\x1b]0;owned\x07b\x9b31mc \u202Edeux {red-fg}x{/} 👩‍👩‍👧 ⚠️ 漢字 é';
  const feed = fakeFeed(
    sampleState({
      data: {
        ...sampleState().data,
        missions: [missionRow(7, { title, error: '\r\n\x1b[H'.repeat(50), state: 'failed' })],
      },
    }),
  );
  const screen = openScreen(200, 30, { feed });
  await screen.keys('2');
  const lines = (await screen.text()).split('\n');
  const row = lines.find((one) => one.includes('m7'))!;
  assert.match(row, /a\[2J\]0;ownedb31mc deux \{red-fg\}x\{\/\} ▪ ▪ 漢字 é/);
  assert.is(
    lines.filter((one) => one.startsWith('│')).every((one) => one.endsWith('│')),
    true,
  );
  assert.not.ok(screen.output().includes('\x1b]0;'));
  screen.session.end();
});

test('a resize gives the frame of a fresh start, and a small screen takes no keys', async () => {
  const feed = fakeFeed(sampleState());
  const screen = openScreen(80, 24, { feed });
  await screen.resize(140, 45);
  const fresh = openScreen(140, 45, { feed });
  assert.is(await screen.text(), await fresh.text());
  await screen.resize(50, 12);
  assert.match(await screen.text(), /50x12 is too small/);
  await screen.keys('2', 'q');
  assert.is(screen.ended(), undefined);
  await screen.resize(80, 24);
  assert.match(await screen.text(), /Needs you/, 'the key did not change the page');
  await screen.resize(50, 12);
  await screen.keys('ctrl-c');
  assert.is(screen.ended(), 'quit');
  fresh.session.end();
});

test('a terminal that takes nothing gets one frame, and the newest when it takes again', async () => {
  const feed = fakeFeed(sampleState());
  const screen = openScreen(100, 30, { feed });
  await screen.text();
  screen.bytes();
  screen.stall(true);
  const work = feed.state().data.work as { jobs: object };
  for (let ready = 20; ready < 520; ready++)
    feed.set({ data: { ...feed.state().data, work: { ...work, jobs: { ...work.jobs, ready } } } });
  await screen.text();
  assert.is(screen.bytes(), 0);
  screen.stall(false);
  assert.match(await screen.text(), /519 ready/);
  screen.session.end();
});

test('an ended session gives the terminal back and leaves nothing behind', async () => {
  const feed = fakeFeed(sampleState());
  const screen = openScreen(100, 30, { feed });
  await screen.text();
  assert.is(feed.demands(), 1);
  await screen.keys('q');
  assert.is(screen.ended(), 'quit');
  assert.is(feed.demands(), 0);
  assert.is(screen.terminal.buffer.active.type, 'normal');
  screen.bytes();
  feed.set({ data: {} });
  await screen.text();
  assert.is(screen.bytes(), 0);
});

test.run();
