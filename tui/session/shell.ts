import { type Day, rowsOfSection, sectionOf, type Work, type WorkerRow } from '../feed/rows.ts';
import type { State } from '../feed/state.ts';
import { PAGES } from '../pages/index.ts';
import type { Page, PageView } from '../pages/types.ts';
import { clock, count, dollars, plural, since } from '../view/format.ts';
import { type Frame, type Line, line, type Panel, type Rect, type Span } from '../view/frame.ts';
import type { Glyphs } from '../view/glyphs.ts';
import { clean, width } from '../view/text.ts';
import { KEYS, type KeyEntry, keyHelp, shownKey } from './keyTable.ts';
import type { PageUi, Place } from './ui.ts';

export const LEAST = { columns: 60, rows: 16 };

export type Overlay =
  | { readonly kind: 'help'; readonly scroll: number }
  | { readonly kind: 'text'; readonly title: string; readonly lines: readonly string[]; readonly scroll: number }
  | {
      readonly kind: 'confirm';
      readonly title: string;
      readonly lines: readonly string[];
      readonly word: string;
      readonly typed: string;
    }
  | { readonly kind: 'ask'; readonly title: string; readonly lines: readonly string[]; readonly typed: string };

export interface Prompt {
  readonly kind: 'filter' | 'palette';
  readonly text: string;
  readonly suggestions: readonly string[];
}

export interface ShellInput {
  readonly columns: number;
  readonly rows: number;
  readonly state: State;
  readonly place: Place;
  readonly page: Page;
  readonly ui: PageUi;
  readonly glyphs: Glyphs;
  /** Of the home, so that two screens are not confused. */
  readonly name: string;
  readonly who: string;
  readonly role: 'viewer' | 'operator';
  readonly frozenAt?: number;
  readonly overlay?: Overlay;
  readonly prompt?: Prompt;
  readonly flash?: { readonly text: string; readonly style: 'good' | 'bad' | 'warn' | 'info' };
  /** Our clock, ms. */
  readonly now: number;
}

export interface Shell {
  readonly frame: Frame;
  readonly view?: PageView;
}

/** The whole screen as a frame: header, tabs, a banner when something is away, the page, the footer, and what lies over it. */
export function shell(input: ShellInput): Shell {
  const { columns, rows, state, page, place, ui, glyphs, now } = input;
  if (columns < LEAST.columns || rows < LEAST.rows) return { frame: tooSmall(columns, rows) };
  const banners = [...linkBanners(input), ...(input.frozenAt ? [frozenBanner(input)] : [])];
  const area: Rect = { x: 0, y: 2 + banners.length, width: columns, height: rows - 3 - banners.length };
  const view = page.view({ state, place, ui, area, now: now + state.skewMs, glyphs });
  const lost = !state.postgres.up && state.at > 0;
  const panels: Panel[] = [
    { id: 'header', x: 0, y: 0, width: columns, height: 1, lines: [header(input)] },
    { id: 'tabs', x: 0, y: 1, width: columns, height: 1, lines: [tabs(input)] },
    ...banners.map(
      (lines, index): Panel => ({
        id: `banner:${index}`,
        x: 0,
        y: 2 + index,
        width: columns,
        height: 1,
        lines: [lines],
      }),
    ),
    ...view.panels.map((panel) => (lost ? dimmed(panel) : panel)),
    { id: 'footer', x: 0, y: rows - 1, width: columns, height: 1, lines: [footer(input)] },
    ...overlayPanels(input, area),
  ];
  return { frame: { width: columns, height: rows, panels }, view };
}

function tooSmall(columns: number, rows: number): Frame {
  const text = [
    `${columns}x${rows} is too small`,
    `${LEAST.columns}x${LEAST.rows} is the least`,
    'keys are off, Ctrl-C leaves',
  ];
  const top = Math.max(0, Math.floor((rows - text.length) / 2));
  const lines = Array.from({ length: rows }, (_, row): Line => {
    const one = text[row - top] ?? '';
    return line(' '.repeat(Math.max(0, Math.floor((columns - one.length) / 2))), one);
  });
  return { width: columns, height: rows, panels: [{ id: 'small', x: 0, y: 0, width: columns, height: rows, lines }] };
}

/** What was last known stays readable, and looks old. */
function dimmed(panel: Panel): Panel {
  const { chart: _chart, ...rest } = panel;
  return { ...rest, tone: 'dim', lines: panel.lines.map((one) => ({ ...one, fill: 'dim' as const })) };
}

function header({ state, name, who, role, glyphs, columns }: ShellInput): Line {
  const work = sectionOf<Work>(state, 'work');
  const day = sectionOf<Day>(state, 'day');
  const workers = rowsOfSection<WorkerRow>(state, 'workers').filter((worker) => worker.state === 'live');
  const parts: Span[][] = [];
  if (work) {
    const open = work.missions.approved + work.missions.running + work.missions.waiting;
    parts.push([`${count(open)} open`, work.missions.running > 0 ? ` (${count(work.missions.running)} running)` : '']);
    parts.push([plural(work.jobs.ready + work.jobs.running + work.jobs.retrying, 'job')]);
    parts.push([
      [`${count(workers.length)} ${workers.length === 1 ? 'pool' : 'pools'}`, workers.length === 0 ? 'alarm' : 'bar'],
    ]);
  }
  if (day && (day.jobs.failed > 0 || day.missions.failed > 0))
    parts.push([[`${count(day.jobs.failed + day.missions.failed)} failed today`, 'bar']]);
  if (day && Number(day.cost_usd) > 0) parts.push([`${dollars(day.cost_usd)} today`]);
  const status = !state.postgres.up ? (state.at === 0 ? 'connecting' : 'link lost') : `${glyphs.states.running} live`;
  const right = `${who}${role === 'viewer' ? ' (looks only)' : ''}  ${status} `;
  const spans: Span[] = [` OpenClaw ${glyphs.dot} ${name}`];
  let used = width(` OpenClaw ${glyphs.dot} ${clean(name)}`);
  for (const part of parts) {
    const text = part.map((one) => (typeof one === 'string' ? one : one[0])).join('');
    if (used + 3 + width(text) + width(right) + 1 > columns) break;
    spans.push(`   `, ...part);
    used += 3 + width(text);
  }
  spans.push(' '.repeat(Math.max(1, columns - used - width(right))), right);
  return { spans, fill: 'bar' };
}

/** The tabs: whole words where there is room, else short ones, else only the number of those far from the current one. */
function tabs({ place, page, glyphs, columns, state }: ShellInput): Line {
  const here = page.detailOf ?? page.name;
  const shown = PAGES.filter((one) => one.key !== undefined && isThere(one, state));
  const at = shown.findIndex((one) => one.name === here);
  const path =
    place.id !== undefined
      ? `${glyphs.path} ${page.title} ${place.id} `
      : at < 0
        ? `${glyphs.path} ${page.title} `
        : '';
  const long = shown.map((one) => one.title);
  const words = tabsWidth(long) + path.length <= columns ? long : shown.map((one) => one.short ?? one.title);
  const far = shown.map((_, index) => index).sort((a, b) => Math.abs(b - at) - Math.abs(a - at));
  for (const index of far) {
    if (tabsWidth(words) + path.length <= columns || index === at) break;
    words[index] = '';
  }
  const spans: Span[] = [];
  for (const [index, one] of shown.entries()) {
    const style = index === at ? 'accent' : 'dim';
    spans.push([` ${one.key}`, style], [words[index] === '' ? '' : ` ${words[index]}`, style], ' ');
    if (index === at && path !== '') spans.push([path, 'accent']);
  }
  if (at < 0) spans.push([path, 'accent']);
  return { spans };
}

/** What tabs of these words take. */
const tabsWidth = (words: readonly string[]): number =>
  words.reduce((sum, word) => sum + 3 + (word === '' ? 0 : word.length + 1), 0);

/** Whether the tables of its first section are there; a part that is not installed has no tab. */
export const isThere = (page: Page, state: State): boolean =>
  page.sections[0] === undefined || !state.absent.has(page.sections[0].name);

function linkBanners({ state, now, glyphs }: ShellInput): Line[] {
  const found: Line[] = [];
  const { postgres, redis } = state;
  if (!postgres.up && (state.at > 0 || postgres.error)) {
    const retry = postgres.retryAt ? Math.ceil((postgres.retryAt - now) / 1000) : 0;
    const last = state.at > 0 ? ` ${glyphs.dot} what you see is from ${clock(state.at, now)}, acts are off` : '';
    found.push({
      spans: [
        ` ${glyphs.states.bad} Postgres does not answer for ${since(postgres.since, now)}`,
        ` ${glyphs.dot} next try ${retry > 0 ? `in ${retry} s` : 'now'}, R tries at once${last}`,
        postgres.error ? ` ${glyphs.dot} ${postgres.error}` : '',
      ],
      fill: 'alarm',
    });
  }
  if (!redis.up) {
    found.push({
      spans: [
        ` ${glyphs.states.warn} Redis does not answer for ${since(redis.since, now)}: everything goes on, only slower to notice ${glyphs.dot} it is tried each second`,
      ],
      fill: 'warn',
    });
  }
  return found;
}

function frozenBanner({ frozenAt, now, glyphs }: ShellInput): Line {
  return {
    spans: [` ${glyphs.states.paused} frozen at ${clock(frozenAt!, now)} ${glyphs.dot} p goes on`],
    fill: 'mark',
  };
}

function footer(input: ShellInput): Line {
  const { prompt, flash, page, glyphs, columns, ui } = input;
  if (prompt)
    return {
      spans: [
        [` ${prompt.kind === 'filter' ? '/' : ':'}${prompt.text}`, 'bold'],
        ['▏', 'accent'],
        [prompt.suggestions.length > 0 ? `  ${prompt.suggestions.slice(0, 8).join('  ')}` : '', 'dim'],
      ],
    };
  if (flash) return { spans: [[` ${flash.text}`, flash.style]] };
  const keyOf = ({ keys, label }: KeyEntry): [string, string] => [shownKey(keys[0]!), label!];
  const named = KEYS.filter(({ label }) => label !== undefined && (label !== 'state' || page.filters));
  const always = new Set(['go', 'help', 'quit']);
  const items: [string, string][] = [
    ...named.filter(({ label }) => label === 'open').map(keyOf),
    ...(input.role === 'operator' ? page.acts.map(({ key, label }): [string, string] => [key, label]) : []),
    ...named.filter(({ label }) => label !== 'open' && !always.has(label!)).map(keyOf),
  ];
  const end = named.filter(({ label }) => always.has(label!)).map(keyOf);
  const widthOf = ([key, label]: [string, string]) => key.length + label.length + 4;
  let room = columns - end.reduce((sum, one) => sum + widthOf(one), 0);
  const status = [ui.marked.size > 0 && `${ui.marked.size} marked`, ui.filter && `filter: ${ui.filter}`]
    .filter(Boolean)
    .join(` ${glyphs.dot} `);
  room -= status === '' ? 0 : width(clean(status)) + 3;
  const spans: Span[] = status === '' ? [] : [[` ${status} `, 'mark'], '  '];
  // What matters most comes first; how to go on, to get help and to leave is always there.
  for (const item of items) {
    room -= widthOf(item);
    if (room < 0) break;
    spans.push([` ${item[0]}`, 'accent'], [` ${item[1]} `, 'dim'], ' ');
  }
  for (const [key, label] of end) spans.push([` ${key}`, 'accent'], [` ${label} `, 'dim'], ' ');
  return { spans };
}

function overlayPanels(input: ShellInput, area: Rect): Panel[] {
  const { overlay, page, columns, rows } = input;
  if (!overlay) return [];
  if (overlay.kind === 'help') {
    const lines = keyHelp(page).flatMap(({ group, rows: keys }) => [
      line([` ${group}`, 'accent']),
      ...keys.map(([key, help]) => line([`   ${key.padEnd(20)} `, 'bold'], help)),
      line(),
    ]);
    return [
      boxed(
        'over:help',
        'Keys',
        lines.slice(overlay.scroll),
        area,
        Math.min(columns - 4, 96),
        lines.length > area.height - 2 ? 'j k scroll, any other key closes' : 'any key closes',
      ),
    ];
  }
  if (overlay.kind === 'text') {
    const lines = overlay.lines.map((text) => line(` ${text}`));
    return [
      boxed(
        'over:text',
        overlay.title,
        lines.slice(overlay.scroll),
        area,
        columns - 4,
        lines.length > area.height - 2 ? 'j k scroll, esc closes' : 'esc closes',
      ),
    ];
  }
  const lines = [
    line(),
    ...overlay.lines.map((text) => line(`  ${text}`)),
    line(),
    line(['  > ', 'accent'], overlay.typed, ['▏', 'accent']),
    line(),
  ];
  const height = Math.min(rows - 4, lines.length + 2);
  const columnsWide = Math.min(columns - 4, Math.max(50, ...overlay.lines.map((text) => width(clean(text)) + 6)));
  return [
    {
      id: 'over:dialog',
      x: Math.floor((columns - columnsWide) / 2),
      y: Math.max(2, Math.floor((rows - height) / 2)),
      width: columnsWide,
      height,
      title: overlay.title,
      note: ['esc: nothing happens', 'dim'],
      tone: overlay.kind === 'confirm' ? 'bad' : 'accent',
      lines,
    },
  ];
}

function boxed(id: string, title: string, lines: readonly Line[], area: Rect, wide: number, note: string): Panel {
  const height = Math.min(area.height, lines.length + 2);
  return {
    id,
    x: Math.floor((area.width - wide) / 2),
    y: area.y + Math.floor((area.height - height) / 2),
    width: wide,
    height,
    title,
    note,
    tone: 'accent',
    lines,
  };
}
