import { spawn } from 'node:child_process';
import path from 'node:path';

/**
 * Runs one statement many times at once, spread over several processes with connections of their own, all of which begin when the
 * last one is ready.
 *
 * @returns the first row of each run, or its SQLSTATE where it was refused.
 */
export async function atOnce<Row>(
  url: string,
  text: string,
  { times, processes = 3, isolation = 'read committed' }: { times: number; processes?: number; isolation?: string },
): Promise<(Row | { code: string })[]> {
  const share = (index: number) => Math.floor(times / processes) + (index < times % processes ? 1 : 0);
  const children = Array.from({ length: processes }, (_, index) => {
    const args = [path.join(import.meta.dirname, 'oneOfMany.ts'), url, text, String(share(index)), isolation];
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let output = '';
    const ready = new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        if (output.startsWith('ready\n')) resolve();
      });
    });
    const ended = new Promise<(Row | { code: string })[]>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) =>
        code === 0
          ? resolve(JSON.parse(output.slice('ready\n'.length)))
          : reject(new Error(`a process ended with ${code}: ${output}`)),
      );
    });
    ended.catch(() => undefined);
    return { child, ready: Promise.race([ready, ended]), ended };
  });
  await Promise.all(children.map(({ ready }) => ready));
  for (const { child } of children) child.stdin.end('go\n');
  return (await Promise.all(children.map(({ ended }) => ended))).flat();
}
