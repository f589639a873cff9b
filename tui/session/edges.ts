import { type Day, rowsOfSection, sectionOf, type Work, type WorkerRow } from '../feed/rows.ts';
import { isThere, PAGES } from '../pages/index.ts';
import type { PageView } from '../pages/types.ts';
import { count, dollars, plural } from '../view/format.ts';
import type { Line, Span } from '../view/frame.ts';
import { clean, width } from '../view/text.ts';
import { KEYS, type KeyEntry, shownKey } from './keyTable.ts';
import type { ShellInput } from './shell.ts';

/** What runs and whether it is live, at a glance. */
export function header({ state, name, who, role, glyphs, columns }: ShellInput): Line {
  const work = sectionOf<Work>(state, 'work');
  const day = sectionOf<Day>(state, 'day');
  const workers = rowsOfSection<WorkerRow>(state, 'workers').filter((worker) => worker.state === 'live');
  const parts: Span[][] = [];
  if (work) {
    const open = work.missions.approved + work.missions.running + work.missions.waiting;
    parts.push([`${count(open)} open`, work.missions.running > 0 ? ` (${count(work.missions.running)} running)` : '']);
    parts.push([plural(work.jobs.ready + work.jobs.running + work.jobs.retrying + work.jobs.limited, 'job')]);
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

/** The tabs: whole words where there is room, else short ones, else these close together, else only the number of those far from the current one. */
export function tabs({ place, page, glyphs, columns, state }: ShellInput): Line {
  const here = page.detailOf ?? page.name;
  const shown = PAGES.filter((one) => one.key !== undefined && isThere(one, state));
  const at = shown.findIndex((one) => one.name === here);
  const path =
    place.id !== undefined
      ? `${glyphs.path} ${page.title[0]}${place.id} `
      : at < 0
        ? `${glyphs.path} ${page.title} `
        : '';
  const long = shown.map((one) => one.title);
  const short = shown.map((one) => one.short ?? one.title);
  const words = tabsWidth(long, 3) + path.length <= columns ? long : short;
  const gap = tabsWidth(words, 3) + path.length <= columns ? 3 : 2;
  const far = shown.map((_, index) => index).sort((a, b) => Math.abs(b - at) - Math.abs(a - at));
  for (const index of far) {
    if (tabsWidth(words, gap) + path.length <= columns || index === at) break;
    words[index] = '';
  }
  const spans: Span[] = [];
  for (const [index, one] of shown.entries()) {
    const style = index === at ? 'accent' : 'dim';
    // The numbers stand out where the words are close together.
    spans.push(gap === 3 ? ' ' : '', [one.key!, index === at ? 'accent' : 'plain']);
    spans.push([words[index] === '' ? '' : ` ${words[index]}`, style], ' ');
    if (index === at && path !== '') spans.push([path, 'accent']);
  }
  if (at < 0) spans.push([path, 'accent']);
  return { spans };
}

/** What tabs of these words take, each with its number and `gap` - 1 blanks; the last needs none behind it. */
const tabsWidth = (words: readonly string[], gap: number): number =>
  words.reduce((sum, word) => sum + gap + (word === '' ? 0 : word.length + 1), -1);

/** The keys of here; or what is being typed; or what was just done. */
export function footer(input: ShellInput, view: PageView): Line {
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
  const row = view.rows[view.cursor];
  const fits = (label: string) =>
    label === 'state' ? page.filters !== undefined : label !== 'open' || row?.open !== undefined || row?.folds === true;
  const named = KEYS.filter(({ label }) => label !== undefined && fits(label));
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
