import type { State } from './state.ts';

/** What the sections hold. Times are ISO texts, ids are numbers. */
export interface Work {
  missions: { approved: number; running: number; waiting: number };
  jobs: {
    running: number;
    retrying: number;
    dead: number;
    ready: number;
    later: number;
    limited: number;
    oldest: string | null;
  };
}
export interface WorkerRow {
  pool: string;
  pool_id: string;
  name: string;
  host: string;
  pid: number;
  state: 'live' | 'stopped' | 'dead';
  concurrency: number;
  busy: number;
  running: number[];
  rss_bytes: number | null;
  loop_lag_ms: number | null;
  started_at: string;
  ended_at: string | null;
  end_reason: string | null;
  silent_since: string | null;
}
export interface MissionRow {
  id: number;
  kind: string;
  title: string;
  state: string;
  wait_reason: string | null;
  paused: boolean;
  wake_at: string | null;
  agent: string | null;
  actor: string;
  untrusted: boolean;
  cost_usd: number;
  error: string | null;
  error_class: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  cancelling: boolean;
  steps: number;
  done: number;
  failed: number;
  unknown: number;
  tries: number | null;
  now: string | null;
}
export interface Day {
  jobs: { succeeded: number; failed: number; cancelled: number };
  missions: { succeeded: number; failed: number; cancelled: number };
  cost_usd: number;
}
export interface EventRow {
  id: number;
  kind: string;
  severity: string;
  source: string;
  agent: string | null;
  actor: string;
  mission_id: number | null;
  job: number | null;
  tags: string[];
  payload: string;
  created_at: string;
}
export interface FailureGroup {
  task: string;
  error_class: string | null;
  error: string;
  count: number;
  last: string;
  newest: number;
  jobs: number[];
}
export interface Trouble {
  unknown: { mission_id: number; name: string; task: string; title: string; finished_at: string }[];
  failed: { id: number; kind: string; title: string; error: string | null; finished_at: string }[];
  groups: FailureGroup[];
}

/** A section's rows, or undefined before the first snapshot that has it. */
export const sectionOf = <T>(state: State, name: string): T | undefined => state.data[name] as T | undefined;
export const rowsOfSection = <T>(state: State, name: string): readonly T[] =>
  (state.data[name] as T[] | undefined) ?? [];
