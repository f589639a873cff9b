import path from 'node:path';
import xterm from '@xterm/headless';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { freshDatabase, type TestDatabase } from '../harness/database.ts';
import { openPty, type Pty } from '../harness/pty.ts';
import { testServers } from '../harness/servers.ts';
import { suite } from '../harness/suite.ts';
import { temporaryHome } from '../harness/temporaryHome.ts';
import { eventually } from '../harness/workers.ts';

const test = suite('the screen on a real terminal', { timeoutMs: 120_000 });
const DASH = [path.join(CODE_ROOT, 'bin/openclaw'), 'dash'];
const FIRST_FRAME_MS = 60_000;
let database: TestDatabase;
let env: Record<string, string>;

test.before(async () => {
  database = await freshDatabase();
  const { redis } = await testServers();
  env = {
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    HOME: '/nonexistent',
    OPENCLAW_HOME: temporaryHome().home,
    DATABASE_URL: database.urlFor('openclaw_worker'),
    REDIS_URL: redis.url,
  };
});
test.after(async () => {
  for (const pty of terminals.keys()) pty.hangUp();
  await database.drop();
});

/** What a terminal shows: only the cells that change are sent, so the bytes alone do not tell. */
const terminals = new Map<Pty, xterm.Terminal>();
function dash(more: Record<string, string> = {}): Pty {
  const pty = openPty(DASH, { columns: 80, rows: 24, env: { ...env, ...more } });
  const terminal = new xterm.Terminal({ cols: 80, rows: 24, allowProposedApi: true });
  pty.onOutput((chunk) => terminal.write(chunk));
  terminals.set(pty, terminal);
  return pty;
}
async function textOf(pty: Pty): Promise<string> {
  const terminal = terminals.get(pty)!;
  await new Promise<void>((resolve) => terminal.write('', resolve));
  const { active } = terminal.buffer;
  return Array.from({ length: terminal.rows }, (_, y) =>
    active.getLine(active.viewportY + y)?.translateToString(true),
  ).join('\n');
}
const shown = (pty: Pty, what: RegExp) =>
  eventually(async () => what.test(await textOf(pty)), String(what), FIRST_FRAME_MS);
/** What must have been said to the terminal by then: main screen, cursor, no mouse, no bracketed paste. */
const GIVEN_BACK = ['\x1b[?1049l', '\x1b[?25h', '\x1b[?1006l', '\x1b[?2004l'];
const lastOf = (text: string, sequence: string) => text.lastIndexOf(sequence);

/** A second terminal's worth of faults: a listener that throws when it is told to. */
const THROWS = `--import=data:text/javascript,${encodeURIComponent("process.on('SIGUSR2',()=>{throw new Error('made to fail')})")}`;
const REJECTS = `--import=data:text/javascript,${encodeURIComponent("process.on('SIGUSR2',()=>{void Promise.reject(new Error('made to fail'))})")}`;

test('however it ends, the terminal is as it was, and the exit code is true', async () => {
  const ways: readonly [
    name: string,
    end: (pty: Pty, pid: number) => void,
    code: number,
    more?: Record<string, string>,
  ][] = [
    ['SIGINT', (_pty, pid) => process.kill(pid, 'SIGINT'), 130],
    ['SIGTERM', (_pty, pid) => process.kill(pid, 'SIGTERM'), 143],
    ['SIGHUP', (_pty, pid) => process.kill(pid, 'SIGHUP'), 129],
    ['a throw', (_pty, pid) => process.kill(pid, 'SIGUSR2'), 1, { NODE_OPTIONS: THROWS }],
    ['a rejection', (_pty, pid) => process.kill(pid, 'SIGUSR2'), 1, { NODE_OPTIONS: REJECTS }],
  ];
  const one = async ([name, end, code, more]: (typeof ways)[number]) => {
    const pty = dash(more);
    const pid = await pty.pid();
    await shown(pty, /Nothing needs you|Needs you/);
    pty.write('m');
    await shown(pty, /mouse on/);
    end(pty, pid);
    const result = await pty.ended;
    assert.is(result.code, code, name);
    assert.ok(result.restored, `${name}: the mode of the terminal has changed`);
    for (const sequence of GIVEN_BACK)
      assert.ok(lastOf(result.rest, sequence) > 0, `${name}: ${JSON.stringify(sequence)}`);
    assert.ok(lastOf(result.rest, '\x1b[?1049l') > lastOf(result.rest, '\x1b[?1049h'), name);
    assert.ok(lastOf(result.rest, '\x1b[?25h') > lastOf(result.rest, '\x1b[?25l'), name);
    const after = result.rest.slice(lastOf(result.rest, '\x1b[?1049l'));
    if (code === 1) assert.match(after, /made to fail/, name);
    if (code === 0) assert.match(after, /openclaw dash/, name);
    pty.hangUp();
  };
  // A few at a time: each is a process of its own.
  const waiting = [...ways];
  const lane = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) await one(next);
  };
  await Promise.all([lane(), lane()]);
});

test('a terminal that is gone ends it; one that stands still does not, and shows the newest when it goes on', async () => {
  const gone = dash();
  const pid = await gone.pid();
  await shown(gone, /Nothing needs you|Needs you/);
  gone.hangUp();
  const lives = () => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  await eventually(async () => !lives(), 'the screen has ended with its terminal', 30_000);

  const still = dash();
  await shown(still, /Nothing needs you|Needs you/);
  still.holder.kill('SIGSTOP');
  await database.pool.query(
    "insert into ops_agent_events (kind, payload) select 'user.test', jsonb_build_object('n', n) from generate_series(1, 50) n",
  );
  await database.pool.query("insert into ops_agent_events (kind, payload) values ('user.newest', '{}')");
  const before = still.output().length;
  // Its link lives although nobody reads its terminal.
  const polled = async () =>
    (
      await database.admin.query(
        "select state_change from pg_stat_activity where application_name = 'openclaw/screen' and datname = current_database() order by state_change desc limit 1",
      )
    ).rows[0]!.state_change as Date;
  const from = await polled();
  await eventually(async () => (await polled()).getTime() - from.getTime() > 2000, 'it polls on', 30_000);
  assert.is(still.output().length, before);
  still.holder.kill('SIGCONT');
  await shown(still, /user\.newest/);
  still.write('q');
  assert.is((await still.ended).code, 0);
  still.hangUp();
});

test('a storm of resizes ends right, on a terminal of an unknown name without colour and UTF-8; one too small says so', async () => {
  const pty = dash({ TERM: '../../etc/passwd', LANG: 'C', NO_COLOR: '1' });
  await shown(pty, /Nothing needs you|Needs you/);
  for (let n = 0; n < 12; n++) pty.resize(40 + ((n * 37) % 120), 12 + ((n * 13) % 40));
  const size = (columns: number, rows: number) => {
    pty.resize(columns, rows);
    terminals.get(pty)!.resize(columns, rows);
  };
  size(50, 12);
  await shown(pty, /50x12 is too small/);
  pty.write('q');
  size(60, 16);
  await shown(pty, /Missions/);
  pty.write('q');
  const { code, rest } = await pty.ended;
  assert.is(code, 0);
  assert.not.match(rest, /[^\p{ASCII}]/u);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are sequences of ESC.
  assert.not.match(rest, /\x1b\[(?:\d+;)*(?:3[1-7]|4[1-7]|9\d|10\d|38|48)(?:;\d+)*m/);
  pty.hangUp();
});

test('a terminal that cannot draw is told how to get a picture', async () => {
  const dumb = dash({ TERM: 'dumb' });
  const { code, rest } = await dumb.ended;
  assert.is(code, 2);
  assert.match(rest, /E_NO_TERMINAL.*dumb[\s\S]*dash --once --text/);
  dumb.hangUp();
});

test.run();
