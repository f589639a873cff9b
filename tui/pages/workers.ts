import type { WorkerRow } from '../feed/rows.ts';
import { WORKERS } from '../feed/sections.ts';
import { bytes, clock, since } from '../view/format.ts';
import type { Span } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

export const workers = listPage<WorkerRow>({
  name: 'workers',
  title: 'workers',
  short: 'work',
  key: '4',
  about: 'each pool: its host, its lease, what it runs, its memory; those that ended in the last hour',
  section: WORKERS,
  columns: [
    { head: 'pool', size: 10 },
    { head: 'state', size: 12 },
    { head: 'host', size: 16 },
    { head: 'pid', size: 7, right: true },
    { head: 'busy', size: 6, right: true },
    { head: 'memory', size: 7, right: true },
    { head: 'lag', size: 7, right: true, from: 90 },
    { head: 'since', size: 12 },
    { head: 'runs', grow: 1, from: 76 },
  ],
  item: (worker, { now, glyphs }) => {
    const live = worker.state === 'live';
    const state: Span = !live
      ? [`${glyphs.states.off} ${worker.state}`, worker.state === 'dead' ? 'bad' : 'dim']
      : worker.silent_since
        ? [`${glyphs.states.bad} silent`, 'bad']
        : [`${glyphs.states.ok} live`, 'good'];
    return {
      row: {
        id: worker.name,
        state: worker.state,
        copy: worker.pool_id,
        ...(worker.running[0] !== undefined ? { open: { page: 'job', id: String(worker.running[0]) } } : {}),
      },
      cells: [
        worker.pool,
        state,
        worker.host,
        String(worker.pid),
        live ? `${worker.busy}/${worker.concurrency}` : '-',
        bytes(worker.rss_bytes),
        worker.loop_lag_ms === null ? '-' : `${worker.loop_lag_ms} ms`,
        clock(live ? worker.started_at : worker.ended_at, now),
        live ? worker.running.map((id) => `j${id}`).join(' ') : (worker.end_reason ?? ''),
      ],
    };
  },
  detail: (worker, { now }) =>
    fields(
      ['name', worker.name],
      ['pool id', worker.pool_id],
      ['runs', worker.running.map((id) => `j${id}`).join(' ')],
      [
        'silent',
        worker.silent_since && `since ${clock(worker.silent_since, now)}, for ${since(worker.silent_since, now)}`,
      ],
      ['started', clock(worker.started_at, now)],
      ['ended', worker.ended_at && `${clock(worker.ended_at, now)}: ${worker.end_reason}`],
    ),
  empty: 'no worker runs: openclaw up starts them',
  note: (rows) => `${rows.filter(({ state }) => state === 'live').length} live`,
});
