import type { Pool } from '../lib/db/index.ts';
import { messageOf } from '../lib/errors/index.ts';
import { scrub } from '../lib/log/index.ts';
import { statusLines, takeSnapshot } from '../lib/status/index.ts';

const REFRESH_MS = 1000;
/** Without a terminal each change is a line of somebody's log. */
const PRINT_MS = 10_000;
/** Of the time, a looker takes at most a twentieth of a core: a day with a million jobs is counted anew at each look. */
const REST = 20;

/** Shows the status until the signal: redrawn in place on a terminal; elsewhere printed when missions or workers change. */
export async function showLiveStatus(db: Pool, signal: AbortSignal): Promise<void> {
  const terminal = process.stdout.isTTY === true;
  let drawn = 0;
  let last = '';
  while (!signal.aborted) {
    const asked = performance.now();
    const lines = await linesNow(db);
    const tookMs = performance.now() - asked;
    if (terminal) {
      const width = process.stdout.columns ?? 80;
      const shown = lines.map((line) => (line.length >= width ? `${line.slice(0, width - 2)}…` : line));
      process.stdout.write(
        `${drawn > 0 ? `\x1b[${drawn}A` : ''}${shown.map((line) => `\x1b[2K${line}`).join('\n')}\n\x1b[0J`,
      );
      drawn = shown.length;
    } else {
      // Ages and memory change all the time; states do not.
      const states = lines.map((line) => line.replace(/\d+(\.\d+)? (ms|s|MB|m \d+ s)\b/g, '')).join('\n');
      if (states !== last) process.stdout.write(`${new Date().toISOString()}\n${lines.join('\n')}\n`);
      last = states;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(terminal ? REFRESH_MS : PRINT_MS, REST * tookMs));
      signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}

async function linesNow(db: Pool): Promise<string[]> {
  try {
    return statusLines(await takeSnapshot(db));
  } catch (error) {
    return [`database  does not answer: ${scrub(messageOf(error))}; trying again`];
  }
}
