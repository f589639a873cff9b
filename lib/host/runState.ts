import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Layout } from '../config/index.ts';
import { processStartOf } from '../workers/identity.ts';

/** The `up` process of a home: found by its file, believed only when pid and start time both fit. */
export interface RunState {
  pid: number;
  processStart: string;
  startedAt: string;
  stopping?: boolean;
}

const fileOf = (layout: Layout) => path.join(layout.run, 'up.json');

/**
 * Takes the home for this process: the file is made in one step and only where none of a live process is.
 *
 * @returns the process that has it, if it is another.
 */
export async function takeHome(layout: Layout): Promise<RunState | undefined> {
  await mkdir(layout.run, { recursive: true, mode: 0o700 });
  const state: RunState = {
    pid: process.pid,
    processStart: processStartOf(process.pid) ?? 'unknown',
    startedAt: new Date().toISOString(),
  };
  const partial = `${fileOf(layout)}.${process.pid}`;
  await writeFile(partial, JSON.stringify(state), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      const other = await readRunState(layout);
      if (other) return other;
      // What a dead process left goes first; `link` then refuses where another live one was quicker.
      await rm(fileOf(layout), { force: true });
      try {
        await link(partial, fileOf(layout));
        return undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    return await readRunState(layout);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Says that this process is on its way out, so that a new `up` waits for its end instead of relying on it. */
export async function markStopping(layout: Layout): Promise<void> {
  const state = await readRunState(layout);
  if (state?.pid !== process.pid) return;
  const partial = `${fileOf(layout)}.${process.pid}`;
  await writeFile(partial, JSON.stringify({ ...state, stopping: true }), { mode: 0o600 });
  await rename(partial, fileOf(layout));
}

export async function readRunState(layout: Layout): Promise<RunState | undefined> {
  let text: string;
  try {
    text = await readFile(fileOf(layout), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const state = JSON.parse(text) as RunState;
  return isProcessAlive(state) ? state : undefined;
}

export async function clearRunState(layout: Layout): Promise<void> {
  const state = await readRunState(layout);
  if (state === undefined || state.pid === process.pid) await rm(fileOf(layout), { force: true });
}

/** Whether the process that a state names still lives. */
export function isProcessAlive(state: RunState): boolean {
  const start = processStartOf(state.pid);
  return start !== undefined && (start === state.processStart || start === 'unknown');
}
