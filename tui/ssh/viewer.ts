import type { Connection, PseudoTtyInfo, ServerChannel } from 'ssh2';
import type { Session } from '../session/session.ts';
import { type Port, RESTORE, tracked } from '../terminal/port.ts';

export interface Viewer {
  resize: (columns: number, rows: number) => void;
  end: (reason: string) => void;
}

interface ViewerOptions {
  readonly channel: ServerChannel;
  readonly pty: PseudoTtyInfo;
  readonly client: Connection;
  readonly open: (port: Port, onEnd: (reason: string) => void) => Session;
  readonly end: (viewer: Viewer) => void;
  readonly idleMs: number;
}

/** The largest screen that is drawn; a client may ask for any. */
const MOST = { columns: 500, rows: 200 };

/** One SSH channel as a terminal. A frame is dropped while the channel has not taken the last one: a frozen client costs one frame of memory. */
export function openViewer({ channel, pty, client, open, end, idleMs }: ViewerOptions): Viewer {
  const size = bounded(pty.cols, pty.rows);
  const resized: (() => void)[] = [];
  let idle: NodeJS.Timeout;
  const awake = () => {
    clearTimeout(idle);
    idle = setTimeout(() => viewer.end('no key was pressed for a long time'), idleMs);
  };
  const port: Port = {
    get columns() {
      return size.columns;
    },
    get rows() {
      return size.rows;
    },
    ...tracked(channel),
    onInput: (listener) =>
      void channel.on('data', (chunk: Buffer) => {
        awake();
        listener(chunk);
      }),
    onResize: (listener) => void resized.push(listener),
  };
  let over = false;
  const finish = (reason: string) => {
    if (over) return;
    over = true;
    clearTimeout(idle);
    end(viewer);
    // A frozen client takes no goodbye: the connection is cut a moment later.
    channel.write(`${RESTORE}${reason === 'quit' ? '' : `\r\n${reason}\r\n`}`);
    leave(channel, 0);
    setTimeout(() => client.end(), 100).unref();
    setTimeout(() => (client as unknown as { _sock?: { destroy(): void } })._sock?.destroy(), 3000).unref();
  };
  const viewer: Viewer = {
    resize: (columns, rows) => {
      Object.assign(size, bounded(columns, rows));
      for (const listener of resized) listener();
    },
    end: (reason) => {
      finish(reason);
      session.end();
    },
  };
  const session = open(port, finish);
  awake();
  channel.on('close', () => {
    finish('closed');
    session.end();
  });
  return viewer;
}

const bounded = (columns: number, rows: number) => ({
  columns: Math.max(1, Math.min(MOST.columns, columns || 80)),
  rows: Math.max(1, Math.min(MOST.rows, rows || 24)),
});

/** Ends a channel with an exit code. */
export function leave(channel: ServerChannel, code: number): void {
  channel.exit(code);
  channel.end();
}
