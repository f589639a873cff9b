import { listOf } from '../feed/sections.ts';
import { clock } from '../view/format.ts';
import type { Style } from '../view/frame.ts';
import { fields, listPage } from './listPage.ts';

interface Signal {
  id: number;
  type: string;
  venue: string;
  asset: string;
  confidence: number;
  score: number;
  rationale: string;
  suggested_action: string;
  risk_level: string;
  title: string;
  address: string;
  timestamp: string;
  expires_at: string;
}

const RISK: Record<string, Style> = { high: 'bad', medium: 'warn', low: 'plain' };

export const research = listPage<Signal>({
  name: 'research',
  title: 'research',
  about: 'what Scout found and still holds true; all of it comes from outside and is not believed',
  section: {
    name: 'research',
    everyS: 2,
    needs: ['research_signals_now'],
    sql: listOf(
      'select id, type, venue, asset, confidence, score, left(rationale, 1000) as rationale, suggested_action, risk_level, title, address, "timestamp", expires_at from research_signals_now order by score desc, id desc limit 100',
    ),
  },
  columns: [
    { head: 'score', size: 5, right: true },
    { head: 'type', size: 12 },
    { head: 'asset', size: 16 },
    { head: 'risk', size: 7 },
    { head: 'what', grow: 1 },
    { head: 'from', size: 18, from: 100 },
    { head: 'until', size: 12, from: 80 },
  ],
  item: (row, { now }) => ({
    row: { id: `signal:${row.id}`, state: row.type, copy: row.address },
    cells: [
      Number(row.score).toFixed(2),
      row.type,
      row.asset,
      [row.risk_level, RISK[row.risk_level] ?? 'plain'],
      row.title || row.rationale,
      row.venue,
      clock(row.expires_at, now),
    ],
  }),
  detail: (row, { now }) =>
    fields(
      ['what', row.title],
      ['why', row.rationale],
      ['could do', row.suggested_action],
      ['sure', `${Math.round(Number(row.confidence) * 100)} %`],
      ['from', `${row.venue}: ${row.address}`],
      ['found', clock(row.timestamp, now)],
      ['until', clock(row.expires_at, now)],
    ),
  empty: 'no signal holds now',
});
