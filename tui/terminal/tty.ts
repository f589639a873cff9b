import { type Port, RESTORE, tracked } from './port.ts';

/** This process's own terminal, and how it gets back as it was. */
export interface Tty {
  readonly port: Port;
  /** Idempotent; works in a handler of the process's end. */
  readonly restore: () => void;
}

type Blocking = { _handle?: { setBlocking?: (blocking: boolean) => void } };

export function openTty(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Tty {
  // A terminal that stops reading would block this whole process: Node writes to a TTY synchronously.
  const block = (blocking: boolean) => (output as unknown as Blocking)._handle?.setBlocking?.(blocking);
  block(false);
  input.setRawMode(true);
  input.resume();
  let restored = false;
  return {
    port: {
      get columns() {
        return output.columns || 80;
      },
      get rows() {
        return output.rows || 24;
      },
      ...tracked(output),
      onInput: (listener) => void input.on('data', listener),
      onResize: (listener) => void output.on('resize', listener),
    },
    restore: () => {
      if (restored) return;
      restored = true;
      block(true);
      output.write(RESTORE);
      input.setRawMode(false);
      input.pause();
    },
  };
}
