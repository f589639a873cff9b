import { listOf } from '../feed/sections.ts';
import { bytes, clock, count, span } from '../view/format.ts';
import type { Span } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

export interface Backup {
  id: number;
  name: string;
  archive: string | null;
  offsite: string | null;
  bytes: number | null;
  row_count: number | null;
  duration_ms: number | null;
  faults: string[];
  offsite_error: string | null;
  local_deleted_at: string | null;
  started_at: string;
  finished_at: string | null;
}

export const BACKUPS = {
  name: 'backups',
  everyS: 2,
  needs: ['ops_backups'],
  sql: listOf(`select id, name, archive, offsite, bytes, row_count, duration_ms, faults[1:20] as faults, left(offsite_error, 300) as offsite_error, local_deleted_at, started_at, finished_at
    from ops_backups order by id desc limit 100`),
};

export const backups = listPage<Backup>({
  name: 'backups',
  title: 'backups',
  about: 'each archive: whether it was verified, and whether a copy is elsewhere (two facts)',
  section: BACKUPS,
  columns: [
    { head: 'made', size: 12 },
    { head: 'archive', size: 12 },
    { head: 'elsewhere', size: 12 },
    { head: 'size', size: 8, right: true },
    { head: 'rows', size: 8, right: true, from: 76 },
    { head: 'took', size: 9, right: true },
    { head: 'what', grow: 1 },
  ],
  item: (row, { now, glyphs }) => {
    const archive: Span =
      row.archive === 'verified'
        ? [`${glyphs.states.ok} verified`, 'good']
        : row.archive === 'partial'
          ? [`${glyphs.states.warn} partial`, 'warn']
          : row.archive === 'failed'
            ? [`${glyphs.states.bad} failed`, 'bad']
            : [`${glyphs.states.running} runs`, 'info'];
    const offsite: Span =
      row.offsite === 'uploaded'
        ? [`${glyphs.states.ok} uploaded`, 'good']
        : row.offsite === 'failed'
          ? [`${glyphs.states.bad} failed`, 'bad']
          : [row.offsite === 'local_only' ? 'only here' : '-', 'warn'];
    return {
      row: { id: row.name, state: row.archive ?? 'running' },
      cells: [
        clock(row.started_at, now),
        archive,
        offsite,
        bytes(row.bytes),
        count(row.row_count),
        span(row.duration_ms),
        row.faults[0] ?? row.offsite_error ?? (row.local_deleted_at ? 'no longer here' : ''),
      ],
    };
  },
  detail: (row) =>
    fields(
      ['name', row.name],
      ['archive', row.archive],
      ['elsewhere', row.offsite],
      ['error', row.offsite_error],
      ...row.faults.map((fault) => ['fault', fault] as const),
    ),
  acts: [
    {
      key: 'n',
      label: 'back up',
      help: 'queue a backup now',
      action: 'run',
      on: () => ({ args: ['backup', '{}'], target: 'backup' }),
    },
  ],
  empty: 'no backup was made yet',
});
