import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Layout } from '../lib/config/index.ts';
import { processStartOf } from '../lib/workers/identity.ts';

/** The `up` process of a home: found by its file, believed only when pid and start time both fit. */
export interface RunState {
  pid: number;
  processStart: string;
  startedAt: string;
}

const fileOf = (layout: Layout) => path.join(layout.run, 'up.json');

export async function writeRunState(layout: Layout): Promise<void> {
  await mkdir(layout.run, { recursive: true, mode: 0o700 });
  const state: RunState = {
    pid: process.pid,
    processStart: processStartOf(process.pid) ?? 'unknown',
    startedAt: new Date().toISOString(),
  };
  const partial = `${fileOf(layout)}.${process.pid}`;
  await writeFile(partial, JSON.stringify(state), { mode: 0o600 });
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
