/** One viewer's terminal: a TTY of this process, an SSH channel, or the emulator of a test. */
export interface Port {
  readonly columns: number;
  readonly rows: number;
  write: (text: string) => void;
  /** Whether the last frame has not been taken yet: then no further one is written. */
  busy: () => boolean;
  onDrain: (listener: () => void) => void;
  onInput: (listener: (chunk: Buffer) => void) => void;
  onResize: (listener: () => void) => void;
}

/** Alternate screen, cursor, mouse, bracketed paste and colours as they were; harmless where they are so already. */
export const RESTORE = '\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[m\x1b[?1l\x1b>\x1b[?1049l\x1b[?25h';

/** Counts what a stream has not taken yet. (`drain` is only emitted above the stream's own limit, which is above a frame.) */
export function tracked(stream: {
  write(text: string, done: () => void): unknown;
}): Pick<Port, 'write' | 'busy' | 'onDrain'> {
  let pending = 0;
  const listeners: (() => void)[] = [];
  return {
    write: (text) => {
      pending++;
      stream.write(text, () => {
        pending--;
        if (pending === 0) for (const listener of listeners) listener();
      });
    },
    busy: () => pending > 0,
    onDrain: (listener) => void listeners.push(listener),
  };
}
