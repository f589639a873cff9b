import xterm from '@xterm/headless';
import type { Feed } from '../../tui/feed/feed.ts';
import { emptyState, type Link, type State } from '../../tui/feed/state.ts';
import type { Actor } from '../../tui/session/actor.ts';
import { openSession, type Session, type SessionOptions } from '../../tui/session/session.ts';
import { planTerminal, type TerminalPlan } from '../../tui/terminal/plan.ts';
import type { Port } from '../../tui/terminal/port.ts';

/** Noon of a fixed day: ages and clocks in a picture do not depend on when it is taken. */
export const NOON = new Date(2026, 10, 20, 12, 0, 0).getTime();

export interface FakeFeed extends Feed {
  set: (change: Partial<State>) => void;
  demands: () => number;
}

export function fakeFeed(state: Partial<State> = {}): FakeFeed {
  let now: State = { ...emptyState(NOON), at: NOON, postgres: { up: true, since: NOON }, ...state };
  const listeners = new Set<() => void>();
  const viewers = new Set<object>();
  const set = (change: Partial<State>) => {
    now = { ...now, ...change };
    for (const listener of listeners) listener();
  };
  return {
    set,
    state: () => now,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    demand: (viewer, demand) => void (demand ? viewers.add(viewer) : viewers.delete(viewer)),
    demands: () => viewers.size,
    retry: () => undefined,
    refresh: () => undefined,
    setRedis: (redis: Link) => set({ redis }),
    polls: () => 0,
    stop: async () => undefined,
  };
}

export function fakeActor(
  role: 'viewer' | 'operator' = 'operator',
  change: Partial<Actor> = {},
): Actor & { calls: unknown[] } {
  const calls: unknown[] = [];
  return {
    calls,
    name: 'ada',
    role,
    table: () => [
      {
        name: 'missions cancel',
        title: 'cancel',
        who: 'operator',
        danger: 'confirm',
        args: [{ name: 'mission' }],
        options: [],
      },
      { name: 'jobs retry', title: 'retry', who: 'operator', danger: 'none', args: [{ name: 'job' }], options: [] },
    ],
    load: async () => undefined,
    refuses: () => (role === 'viewer' ? 'ada may look, not act' : undefined),
    perform: async (...call) => {
      calls.push(call);
      return { ok: true, text: `did ${call[0]} ${call[1].join(' ')}` };
    },
    statesOf: async () => new Map(),
    ...change,
  };
}

export interface Screen {
  session: Session;
  /** What the terminal shows, a line a row, without blanks at their ends. */
  text: () => Promise<string>;
  row: (y: number) => Promise<string>;
  keys: (...keys: string[]) => Promise<void>;
  raw: (text: string) => Promise<void>;
  /** Bytes written since the last look. */
  bytes: () => number;
  output: () => string;
  resize: (columns: number, rows: number) => Promise<void>;
  /** Takes no more bytes, or goes on. */
  stall: (stalled: boolean) => void;
  terminal: xterm.Terminal;
  ended: () => string | undefined;
}

const BYTES: Record<string, string> = {
  enter: '\r',
  escape: '\x1b',
  down: '\x1b[B',
  up: '\x1b[A',
  tab: '\t',
  pagedown: '\x1b[6~',
  backspace: '\x7f',
  'ctrl-c': '\x03',
  home: '\x1b[H',
};

const turn = async () => {
  for (let count = 0; count < 4; count++) await new Promise((resolve) => setImmediate(resolve));
};

/** The real session, painter and key decoder on an emulated terminal: what is read back is what a terminal would show. */
export function openScreen(
  columns: number,
  rows: number,
  options: Partial<SessionOptions> & { feed: Feed; env?: Record<string, string> },
): Screen {
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
  let listener: (chunk: Buffer) => void = () => undefined;
  let onResize: () => void = () => undefined;
  let onDrain: () => void = () => undefined;
  let stalled = false;
  let written = 0;
  let output = '';
  let end: string | undefined;
  const size = { columns, rows };
  const port: Port = {
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
    write: (text) => {
      written += Buffer.byteLength(text);
      output += text;
      terminal.write(text);
    },
    busy: () => stalled,
    onDrain: (one) => {
      onDrain = one;
    },
    onInput: (one) => {
      listener = one;
    },
    onResize: (one) => {
      onResize = one;
    },
  };
  const plan = planTerminal({ TERM: 'xterm-256color', LANG: 'C.UTF-8', ...options.env }) as TerminalPlan;
  const session = openSession({
    port,
    plan,
    actor: fakeActor(),
    name: 'test',
    now: () => NOON,
    fps: Number.POSITIVE_INFINITY,
    resizeMs: 0,
    onEnd: (reason) => {
      end = reason;
    },
    ...options,
  });
  const settled = async () => {
    await turn();
    await new Promise<void>((resolve) => terminal.write('', resolve));
  };
  const text = async () => {
    await settled();
    const { active } = terminal.buffer;
    return Array.from({ length: terminal.rows }, (_, y) =>
      (active.getLine(active.viewportY + y)?.translateToString(true) ?? '').trimEnd(),
    ).join('\n');
  };
  const send = async (bytes: string) => {
    listener(Buffer.from(bytes));
    // A lone ESC is one only after a moment.
    if (bytes === '\x1b') await new Promise((resolve) => setTimeout(resolve, 80));
    await settled();
  };
  return {
    session,
    terminal,
    text,
    row: async (y) => (await text()).split('\n')[y] ?? '',
    keys: async (...keys) => {
      for (const key of keys) await send(BYTES[key] ?? key);
    },
    raw: send,
    bytes: () => {
      const count = written;
      written = 0;
      return count;
    },
    output: () => output,
    resize: async (toColumns, toRows) => {
      Object.assign(size, { columns: toColumns, rows: toRows });
      terminal.resize(toColumns, toRows);
      onResize();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await settled();
    },
    stall: (now) => {
      stalled = now;
      if (!now) onDrain();
    },
    ended: () => end,
  };
}
