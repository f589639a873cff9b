import { blockChart } from '../view/chart.ts';
import { count } from '../view/format.ts';
import type { Panel, Rect } from '../view/frame.ts';
import type { PageInput } from './types.ts';

/** How many jobs ended in each of the last seconds, with those that failed in their own colour. */
export function chartPanel(id: string, area: Rect, { state, glyphs }: PageInput): Panel {
  const { ok, bad } = state.rate;
  const sum = (values: readonly number[]) => values.slice(-60).reduce((total, one) => total + one, 0);
  const failed = sum(bad);
  const series = [
    { title: 'ended', style: 'good' as const, values: ok },
    ...(bad.some((value) => value > 0) ? [{ title: 'failed', style: 'bad' as const, values: bad }] : []),
  ];
  return {
    id,
    ...area,
    title: 'Ended a second',
    note: `${count(sum(ok) + failed)}${area.width < 50 ? '/min' : ' a minute'}${failed > 0 ? `, ${count(failed)} failed` : ''}`,
    ...(state.at > 0 && { chart: series }),
    lines: state.at === 0 ? [] : blockChart(series, area.width - 2, area.height - 2, glyphs),
  };
}
