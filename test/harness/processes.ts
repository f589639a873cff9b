import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

/**
 * Runs one statement many times at once, spread over several processes with connections of their own, all of which begin when the
 * last one is ready. The connections stay for the next call of the same file: fifty of them cost more than what they do.
 *
 * @returns the first row of each run, or its SQLSTATE where it was refused.
 */
export async function atOnce<Row>(
  url: string,
  text: string,
  { times, processes = 3, isolation = 'read committed' }: { times: number; processes?: number; isolation?: string },
): Promise<(Row | { code: string })[]> {
  const key = `${url} ${times} ${processes}`;
  const crowd = crowds.get(key) ?? gather(url, times, processes);
  crowds.set(key, crowd);
  await Promise.all(crowd.map(({ ask }) => ask(JSON.stringify({ text, isolation }))));
  const answers = await Promise.all(crowd.map(({ ask }) => ask('go')));
  return answers.flatMap((answer) => JSON.parse(answer) as (Row | { code: string })[]);
}

interface Member {
  /** Says a line, and waits for the one that answers it. */
  ask(line: string): Promise<string>;
}

const crowds = new Map<string, Member[]>();

function gather(url: string, times: number, processes: number): Member[] {
  const share = (index: number) => Math.floor(times / processes) + (index < times % processes ? 1 : 0);
  return Array.from({ length: processes }, (_, index) => {
    const args = [path.join(import.meta.dirname, 'oneOfMany.ts'), url, String(share(index))];
    return member(
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
  });
}

/** It ends with the pipe that this process holds open, and does not keep this process. */
function member(child: ChildProcess): Member {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`a process ended with ${code}`)));
  });
  ended.catch(() => undefined);
  child.unref();
  for (const stream of [child.stdin, child.stdout]) (stream as unknown as { unref(): void }).unref();
  return {
    ask: async (line) => {
      child.stdin!.write(`${line}\n`);
      const { value } = await Promise.race([lines.next(), ended]);
      return String(value);
    },
  };
}
