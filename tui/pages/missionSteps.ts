import { between, clock, dollars, errorText, since } from '../view/format.ts';
import { type Line, line, type Span } from '../view/frame.ts';
import { stateSpan, styleOf } from '../view/states.ts';
import { wrap } from '../view/text.ts';
import type { Detail, Step } from './missionDetail.ts';
import type { PageInput } from './types.ts';

/** How deep a step stands: one more than the deepest that it needs. */
export function depths(steps: readonly Step[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const step of steps) found.set(step.name, Math.max(0, ...step.needs.map((need) => (found.get(need) ?? 0) + 1)));
  return found;
}

/** A step's time as a bar between the mission's start and end. */
function timeline(step: Step, mission: Detail, now: number, columns: number, full: string): string {
  const from = new Date(mission.started_at ?? mission.created_at).getTime();
  const to = mission.finished_at ? new Date(mission.finished_at).getTime() : now;
  if (!step.started_at || columns < 4) return ' '.repeat(Math.max(0, columns));
  const total = Math.max(1, to - from);
  const start = Math.max(
    0,
    Math.min(columns - 1, Math.floor(((new Date(step.started_at).getTime() - from) / total) * columns)),
  );
  const end = step.finished_at ? new Date(step.finished_at).getTime() : now;
  const long = Math.max(
    1,
    Math.min(columns - start, Math.round(((end - new Date(step.started_at).getTime()) / total) * columns)),
  );
  return ' '.repeat(start) + full.repeat(long) + ' '.repeat(Math.max(0, columns - start - long));
}

export function stepLine(
  step: Step,
  depth: number,
  mission: Detail,
  input: PageInput,
  columns: number,
  here: boolean,
): Line {
  const { now, glyphs } = input;
  const took = step.started_at
    ? step.finished_at
      ? between(step.started_at, step.finished_at)
      : since(step.started_at, now)
    : '';
  const nameWidth = Math.max(14, Math.min(34, Math.floor(columns * 0.3)));
  const name = `${'  '.repeat(Math.min(depth, 4))}${depth > 0 ? `${glyphs.corner} ` : ''}${step.name}`
    .slice(0, nameWidth)
    .padEnd(nameWidth);
  const tries = step.attempt > 1 || step.state === 'failed' ? ` ${step.attempt}/${step.max_attempts}` : '';
  const note = noteOf(step, now);
  const barWidth = columns >= 90 ? Math.floor(columns * 0.25) : 0;
  const shown = step.state === 'queued' && step.error ? 'retrying' : step.state;
  const style = styleOf(shown);
  const fixed: Span[] = [
    [here ? glyphs.cursor : ' ', 'accent'],
    name,
    ' ',
    stateSpan(shown, glyphs, shown.padEnd(9)),
    took.padStart(9),
    [tries.padEnd(5), 'warn'],
    ' ',
  ];
  const spans: Span[] =
    barWidth > 0
      ? [...fixed, [timeline(step, mission, now, barWidth, glyphs.full), style === 'plain' ? 'info' : style], ' ', note]
      : [...fixed, note];
  return { spans, ...(here ? { fill: 'select' as const } : {}) };
}

function noteOf(step: Step, now: number): Span {
  if (step.error)
    return [
      errorText(step.error_class, step.error),
      step.state === 'failed' || step.state === 'unknown' ? 'bad' : 'warn',
    ];
  if (step.wake_at && step.state !== 'succeeded') return [`not before ${clock(step.wake_at, now)}`, 'warn'];
  if (step.state === 'queued' && step.needs.length > 0) return [`needs ${step.needs.join(', ')}`, 'dim'];
  return [step.task === step.name ? '' : step.task, 'dim'];
}

/** The folded-out step: its error in full, what went in, what came out. */
export function stepText(step: Step, now: number, columns: number): Line[] {
  const lines: Line[] = [];
  const part = (label: string, text: string | null, style: 'plain' | 'bad') => {
    if (text === null || text === '') return;
    for (const [index, row] of wrap(text, columns - 11, 12).entries())
      lines.push(line([` ${(index === 0 ? label : '').padEnd(8)} `, 'dim'], [row, style]));
  };
  part('error', step.error && errorText(step.error_class, step.error), 'bad');
  part(
    'task',
    `${step.task} (${step.effect}), attempt ${step.attempt} of ${step.max_attempts}${step.needs.length > 0 ? `, needs ${step.needs.join(', ')}` : ''}`,
    'plain',
  );
  if (step.started_at)
    part(
      'time',
      `${clock(step.started_at, now)}${step.finished_at ? ` to ${clock(step.finished_at, now)} (${between(step.started_at, step.finished_at)})` : ''}`,
      'plain',
    );
  if (step.cost_usd) part('cost', `${dollars(step.cost_usd)}${step.model ? ` (${step.model})` : ''}`, 'plain');
  part('in', step.payload, 'plain');
  part('out', step.output, 'plain');
  return lines;
}

/** The step that needs the eye first: what failed, else what runs. */
export function firstTrouble(steps: readonly Step[]): number {
  if (steps.length === 0) return -1;
  const bad = steps.findIndex(({ state }) => state === 'failed' || state === 'unknown');
  const open = steps.findIndex(({ state, error }) => state === 'running' || (state === 'queued' && error));
  return bad >= 0 ? bad : open >= 0 ? open : steps.length - 1;
}
