import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';

/**
 * An answer of the person at the terminal; `hidden` shows nothing of it. Where standard input is a pipe, its whole text,
 * without the line break at its end, is the answer: `openclaw credentials set NAME < file`.
 */
export async function askAtTerminal(question: string, { hidden = false } = {}): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, '');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  // Readline draws its line anew from the left, and would wipe out a question that is not its own; a hidden one it must not draw.
  if (hidden) process.stderr.write(`${question} `);
  const asking = createInterface({ input: process.stdin, output: hidden ? silent : process.stderr, terminal: true });
  const gone = new Promise<never>((_resolve, reject) => {
    const stop = () => reject(new OpenClawError('E_NO_ANSWER', 'nothing was answered', { exitCode: EXIT.usage }));
    asking.once('SIGINT', stop);
    asking.once('close', stop);
  });
  try {
    return await Promise.race([asking.question(hidden ? '' : `${question} `), gone]);
  } finally {
    gone.catch(() => undefined);
    asking.close();
    if (hidden) process.stderr.write('\n');
  }
}
