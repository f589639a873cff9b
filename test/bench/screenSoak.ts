import { openSession } from '../../tui/session/session.ts';
import { planTerminal, type TerminalPlan } from '../../tui/terminal/plan.ts';
import { fakeActor, fakeFeed, NOON } from '../tui/emulator.ts';
import { eventRow, missionRow, sampleState } from '../tui/sample.ts';

// A viewer for so many simulated seconds: each brings new events and missions, a minute another page, ten a resize.
// Prints how much the live heap has grown after the first tenth.
const seconds = Number(process.argv[2]);
let clock = NOON;
const feed = fakeFeed(sampleState());
const size = { columns: 120, rows: 40 };
let key: (chunk: Buffer) => void = () => undefined;
let resized: () => void = () => undefined;
const session = openSession({
  feed,
  plan: planTerminal({ TERM: 'xterm-256color', LANG: 'C.UTF-8' }) as TerminalPlan,
  actor: fakeActor(),
  name: 'soak',
  now: () => clock,
  fps: Number.POSITIVE_INFINITY,
  resizeMs: 0,
  onEnd: () => undefined,
  port: {
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
    write: () => undefined,
    busy: () => false,
    onDrain: () => undefined,
    onInput: (listener) => {
      key = listener;
    },
    onResize: (listener) => {
      resized = listener;
    },
  },
});
const liveBytes = () => {
  for (let n = 0; n < 3; n++) globalThis.gc!();
  return process.memoryUsage().heapUsed;
};
let early = 0;
for (let second = 1; second <= seconds; second++) {
  clock += 1000;
  const { missions, events, ...rest } = sampleState().data as Record<string, object[]>;
  feed.set({
    at: clock,
    data: {
      ...rest,
      missions: [missionRow(100 + second, { state: 'failed', error: `fault ${second}` }), ...missions!],
      events: [eventRow(1000 + second, { created_at: new Date(clock).toISOString() }), ...events!],
    },
  });
  if (second % 60 === 0) key(Buffer.from(String((second / 60) % 10)));
  if (second % 600 === 0) {
    size.columns = size.columns === 120 ? 160 : 120;
    resized();
  }
  // blessed gathers its writes for one turn of the loop.
  await new Promise((resolve) => setImmediate(resolve));
  if (second === Math.ceil(seconds / 10)) early = liveBytes();
}
const grownMb = (liveBytes() - early) / 1e6;
session.end();
console.log(JSON.stringify({ grownMb, frames: session.frames() }));
process.exit(0);
