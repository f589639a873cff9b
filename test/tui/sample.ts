import type { State } from '../../tui/feed/state.ts';
import { RATE_SECONDS } from '../../tui/feed/state.ts';
import { NOON } from './emulator.ts';

const at = (secondsBefore: number) => new Date(NOON - secondsBefore * 1000).toISOString();

export function missionRow(id: number, change: Record<string, unknown> = {}) {
  return {
    id,
    kind: 'report',
    title: `Report number ${id}`,
    state: 'succeeded',
    wait_reason: null,
    paused: false,
    wake_at: null,
    agent: null,
    actor: 'cli:ada',
    untrusted: false,
    cost_usd: 0,
    error: null,
    error_class: null,
    created_at: at(600),
    started_at: at(598),
    finished_at: at(590),
    cancelling: false,
    steps: 3,
    done: 3,
    failed: 0,
    unknown: 0,
    tries: 1,
    now: null,
    ...change,
  };
}

const worker = (pool: string, busy: number) => ({
  pool,
  pool_id: `pool-${pool}`,
  name: `host:${pool}`,
  host: 'host',
  pid: 4711,
  state: 'live',
  concurrency: 8,
  busy,
  running: [],
  rss_bytes: 157286400,
  loop_lag_ms: 20,
  started_at: at(4000),
  ended_at: null,
  end_reason: null,
  silent_since: null,
});

export function eventRow(id: number, change: Record<string, unknown> = {}) {
  return {
    id,
    kind: 'mission.succeeded',
    severity: 'info',
    source: 'cli',
    agent: null,
    actor: 'cli:ada',
    mission_id: id,
    job: null,
    tags: [],
    payload: '{"kind": "report"}',
    created_at: at(60 + id),
    ...change,
  };
}

/** A busy afternoon: one mission failed, one retries, one runs, one waits, some are done. */
export function sampleState(change: Partial<State> = {}): Partial<State> {
  return {
    data: {
      work: {
        missions: { approved: 0, running: 2, waiting: 1 },
        jobs: { running: 3, retrying: 1, dead: 0, ready: 12, later: 2, oldest: null },
      },
      workers: [worker('missions', 3), worker('upkeep', 0)],
      missions: [
        missionRow(12, {
          state: 'running',
          started_at: at(42),
          finished_at: null,
          done: 1,
          now: 'fetch',
          title: 'Morning brief',
        }),
        missionRow(11, {
          state: 'waiting',
          wait_reason: 'retry',
          wake_at: new Date(NOON + 60_000).toISOString(),
          finished_at: null,
          done: 2,
        }),
        missionRow(10, { state: 'running', started_at: at(8), finished_at: null, done: 0, tries: 3, now: 'deploy' }),
        missionRow(9, { state: 'failed', error: 'the page answers 503', error_class: 'E_HTTP', failed: 1 }),
        ...Array.from({ length: 8 }, (_, index) => missionRow(8 - index)),
      ],
      trouble: {
        unknown: [],
        failed: [
          { id: 9, kind: 'report', title: 'Report number 9', error: 'the page answers 503', finished_at: at(590) },
        ],
        groups: [],
      },
      day: {
        jobs: { succeeded: 512, failed: 2, cancelled: 1 },
        missions: { succeeded: 8, failed: 1, cancelled: 0 },
        cost_usd: 0.42,
      },
      events: Array.from({ length: 30 }, (_, index) =>
        eventRow(30 - index, index === 3 ? { kind: 'mission.failed', severity: 'error', mission_id: 9 } : {}),
      ),
    },
    rate: {
      second: NOON / 1000,
      ok: Array.from({ length: RATE_SECONDS }, (_, index) => (index * 7) % 11),
      bad: Array.from({ length: RATE_SECONDS }, (_, index) => (index % 40 === 0 ? 1 : 0)),
    },
    ...change,
  };
}
