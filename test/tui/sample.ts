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

const step = (id: number, name: string, change: Record<string, unknown> = {}) => ({
  id,
  name,
  task: name,
  state: 'succeeded',
  attempt: 1,
  max_attempts: 3,
  needs: [],
  effect: 'read',
  error: null,
  error_class: null,
  payload: `{"topic": "${name}"}`,
  output: '{"articles": 12}',
  wake_at: null,
  started_at: at(596),
  finished_at: at(594),
  cost_usd: null,
  model: null,
  ...change,
});

/** Mission 9 as its page shows it: two steps succeeded, one failed, one was skipped. */
const failedMission = {
  ...missionRow(9, { state: 'failed', error: 'step fetch: the page answers 503', error_class: 'E_HTTP' }),
  source: 'cli',
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  epoch: 2,
  input: '{"host": "web1"}',
  output: null,
  steps: [
    step(1, 'markets'),
    step(2, 'security', { started_at: at(595), finished_at: at(592), cost_usd: 0.0021, model: 'small' }),
    step(3, 'fetch', {
      state: 'failed',
      attempt: 3,
      needs: ['markets'],
      error: 'the page answers 503',
      error_class: 'E_HTTP',
      output: null,
      started_at: at(594),
      finished_at: at(590),
    }),
    step(4, 'summary', {
      state: 'skipped',
      needs: ['fetch', 'security'],
      started_at: null,
      finished_at: null,
      output: null,
    }),
  ],
  events: [
    { id: 3, kind: 'mission.failed', severity: 'error', payload: '{"kind": "report"}', created_at: at(590) },
    {
      id: 2,
      kind: 'step.failed',
      severity: 'warning',
      payload: '{"step": "fetch", "attempt": 3}',
      created_at: at(590),
    },
    { id: 1, kind: 'mission.started', severity: 'info', payload: '{"kind": "report"}', created_at: at(598) },
  ],
};

const job = (id: number, change: Record<string, unknown> = {}) => ({
  id,
  task: 'resize_image',
  state: 'ready',
  attempts: 0,
  max_attempts: 4,
  priority: 0,
  run_at: at(12),
  locked_at: null,
  created_at: at(12),
  last_error: null,
  mission_id: null,
  worker: null,
  ...change,
});

/** A busy afternoon: one mission failed, one retries, one runs, one waits, some are done. */
export function sampleState(change: Partial<State> = {}): Partial<State> {
  return {
    data: {
      work: {
        missions: { approved: 0, running: 2, waiting: 1 },
        jobs: { running: 3, retrying: 1, dead: 0, ready: 12, later: 2, limited: 1, oldest: null },
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
          wait_reason: 'backoff',
          wake_at: new Date(NOON + 60_000).toISOString(),
          finished_at: null,
          done: 2,
        }),
        missionRow(10, { state: 'running', started_at: at(8), finished_at: null, done: 0, tries: 3, now: 'deploy' }),
        missionRow(9, { state: 'failed', error: 'the page answers 503', error_class: 'E_HTTP', failed: 1 }),
        ...Array.from({ length: 8 }, (_, index) => missionRow(8 - index)),
      ],
      mission: [failedMission],
      jobs: [
        job(41, { state: 'running', locked_at: at(3), attempts: 1, worker: 'host:missions' }),
        job(42, { state: 'retrying', attempts: 2, last_error: 'image 41 has no known format', run_at: at(-20) }),
        ...Array.from({ length: 6 }, (_, index) => job(43 + index)),
        job(49, {
          task: 'crawl_host',
          state: 'limited',
          place: { key: 'web1', most: 2, taken: 2, interval_ms: null, free_at: null },
        }),
      ],
      by_task: [
        { task: 'resize_image', ready: 12, running: 3, retrying: 1, limited: 0, oldest: at(12) },
        { task: 'crawl_host', ready: 0, running: 2, retrying: 0, limited: 1, oldest: at(9) },
        { task: 'backup', ready: 0, running: 0, retrying: 0, limited: 0, oldest: null },
      ],
      questions: [],
      agents: [],
      health: [],
      breakers: [],
      controls: [],
      trouble: {
        unknown: [],
        failed: [
          { id: 9, kind: 'report', title: 'Report number 9', error: 'the page answers 503', finished_at: at(590) },
        ],
        groups: [
          {
            task: 'resize_image',
            error_class: null,
            error: 'image 82 has no known format',
            count: 2,
            last: at(300),
            newest: 38,
            jobs: [38, 31],
          },
        ],
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
