import { type ChildProcess, execFileSync, spawn } from 'node:child_process';

/** A program on a real pseudo-terminal. */
export interface Pty {
  /** Of the program itself, once it has started. */
  pid: () => Promise<number>;
  write: (text: string) => void;
  /** All that the terminal was sent, without the lines of the wrapper. */
  output: () => string;
  /** Told of each chunk as it comes, the wrapper's lines included. */
  onOutput: (listener: (chunk: string) => void) => void;
  resize: (columns: number, rows: number) => void;
  /** Closes the terminal as a lost connection does: the kernel hangs up on who sits before it. */
  hangUp: () => void;
  /** How the program ended, and whether the terminal was left in the mode that it was in. */
  ended: Promise<{ code: number; restored: boolean; rest: string }>;
  /** The process that holds the other side; stopping it is a terminal that reads no more. */
  holder: ChildProcess;
}

export interface PtyOptions {
  readonly columns: number;
  readonly rows: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The wrapper remembers the terminal's mode, and says the exit code and whether the mode is the same. `tty` names the device for a resize from outside. */
const WRAPPER = `stty cols "$PTY_COLUMNS" rows "$PTY_ROWS"; before=$(stty -g); tty
sh -c 'echo "pid=$$"; exec "$@"' sh "$@"
code=$?; after=$(stty -g); [ "$before" = "$after" ] && mode=same || mode=changed
echo "pty-end code=$code mode=$mode"`;

const holders = new Set<ChildProcess>();
// Whatever sits before these terminals is hung up on when this process ends.
process.once('exit', () => {
  for (const holder of holders) holder.kill('SIGKILL');
});

/** By `script` of util-linux, which every Debian has: Node has no pseudo-terminals of its own. */
export function openPty(command: readonly string[], { columns, rows, env }: PtyOptions): Pty {
  const quoted = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;
  const line = `sh -c ${quoted(WRAPPER)} sh ${command.map(quoted).join(' ')}`;
  const holder = spawn('script', ['-q', '-f', '-c', line, '/dev/null'], {
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', ...env, PTY_COLUMNS: String(columns), PTY_ROWS: String(rows) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  holders.add(holder);
  holder.once('exit', () => holders.delete(holder));
  let all = '';
  const listeners: ((chunk: string) => void)[] = [];
  const waiting = new Set<() => void>();
  holder.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    all += chunk;
    for (const listener of listeners) listener(chunk);
    for (const look of waiting) look();
  });
  const when = <T>(found: () => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const value = found();
        if (value === undefined) return;
        waiting.delete(look);
        resolve(value);
      };
      waiting.add(look);
      holder.once('error', reject);
      look();
    });
  const START = /^(\/dev\/\S+)\r?\npid=(\d+)\r?\n/m;
  const END = /pty-end code=(\d+) mode=(same|changed)\r?\n/;
  return {
    holder,
    pid: () => when(() => (START.exec(all) ? Number(START.exec(all)![2]) : undefined)),
    onOutput: (listener) => void listeners.push(listener),
    write: (text) => void holder.stdin!.write(text),
    output: () => all.replace(START, '').replace(END, ''),
    resize: (toColumns, toRows) =>
      void execFileSync('stty', ['-F', START.exec(all)![1]!, 'cols', String(toColumns), 'rows', String(toRows)]),
    hangUp: () => void holder.kill('SIGKILL'),
    ended: when(() => {
      const match = END.exec(all);
      return match
        ? { code: Number(match[1]), restored: match[2] === 'same', rest: all.slice(0, match.index) }
        : undefined;
    }),
  };
}
