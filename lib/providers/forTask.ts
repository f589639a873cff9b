import type { Config } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
import type { TaskContext } from '../tasks/types.ts';
import { type SettingsReader, settingsReader } from './settings.ts';
import type { CallOrigin } from './types.ts';

const readers = new WeakMap<Config, SettingsReader>();

/** One reader a process: it remembers what was good last, and says a fault once. */
export function settingsOf(config: Config, log?: Logger): SettingsReader {
  let reader = readers.get(config);
  if (!reader) {
    reader = settingsReader(config, log);
    readers.set(config, reader);
  }
  return reader;
}

/** What a task gives the functions that ask models and search services. */
export function callsOfTask({ config, log, query, job, signal }: TaskContext) {
  const origin: CallOrigin = {
    missionId: job.missionId,
    jobId: job.id,
    traceId: job.traceId,
    run: job.missionId ? `m${job.missionId}` : `j${job.id}`,
  };
  return { deps: { db: { query }, settings: settingsOf(config, log), config, log }, origin, signal };
}
