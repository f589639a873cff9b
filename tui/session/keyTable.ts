import { PAGES } from '../pages/index.ts';
import type { Act, Page } from '../pages/types.ts';

/** What a key may do; the session is what does it. */
export interface Hands {
  go: (page: string) => void;
  step: (pages: number) => void;
  back: () => void;
  open: () => void;
  move: (rows: number) => void;
  screenful: (screens: number) => void;
  edge: (end: 'first' | 'last') => void;
  scroll: (rows: number) => void;
  mark: () => void;
  markAll: () => void;
  only: () => void;
  filter: () => void;
  palette: () => void;
  help: () => void;
  freeze: () => void;
  copy: () => void;
  retryLink: () => void;
  mouse: () => void;
  theme: () => void;
  redraw: () => void;
  quit: () => void;
}

export interface KeyEntry {
  /** As the decoder names them; the first is shown. */
  readonly keys: readonly string[];
  readonly group: 'Go' | 'List' | 'Screen';
  /** In the footer; without one it is only in the help. */
  readonly label?: string;
  readonly help: string;
  readonly run: (hands: Hands) => void;
}

/** The one table of keys: the router, the footer, the help and the guide come from it. */
export const KEYS: readonly KeyEntry[] = [
  { keys: ['enter'], group: 'List', label: 'open', help: 'open what the cursor is on', run: (hands) => hands.open() },
  {
    keys: ['/'],
    group: 'List',
    label: 'filter',
    help: 'filter the list by words; !word leaves out',
    run: (hands) => hands.filter(),
  },
  {
    keys: ['s'],
    group: 'List',
    label: 'state',
    help: 'only one state of the list, the next at each press',
    run: (hands) => hands.only(),
  },
  {
    keys: [':'],
    group: 'Go',
    label: 'go',
    help: 'go to a page or an id, or do any verb of the command line',
    run: (hands) => hands.palette(),
  },
  {
    keys: ['escape', 'backspace', 'left', 'h'],
    group: 'Go',
    help: 'back: clear the filter, the marks, or leave the page',
    run: (hands) => hands.back(),
  },
  { keys: ['tab', 'right', 'l'], group: 'Go', help: 'the next page', run: (hands) => hands.step(1) },
  { keys: ['shift-tab'], group: 'Go', help: 'the page before', run: (hands) => hands.step(-1) },
  { keys: ['j', 'down', 'ctrl-n'], group: 'List', help: 'down', run: (hands) => hands.move(1) },
  { keys: ['k', 'up', 'ctrl-p'], group: 'List', help: 'up', run: (hands) => hands.move(-1) },
  { keys: ['pagedown', 'ctrl-f', 'ctrl-d'], group: 'List', help: 'a screen down', run: (hands) => hands.screenful(1) },
  { keys: ['pageup', 'ctrl-b', 'ctrl-u'], group: 'List', help: 'a screen up', run: (hands) => hands.screenful(-1) },
  { keys: ['g', 'home'], group: 'List', help: 'the first row', run: (hands) => hands.edge('first') },
  { keys: ['G', 'end'], group: 'List', help: 'the last row', run: (hands) => hands.edge('last') },
  { keys: ['J'], group: 'List', help: 'scroll the text below down', run: (hands) => hands.scroll(3) },
  { keys: ['K'], group: 'List', help: 'scroll the text below up', run: (hands) => hands.scroll(-3) },
  { keys: ['space'], group: 'List', help: 'mark the row, for an act on many', run: (hands) => hands.mark() },
  { keys: ['*'], group: 'List', help: 'mark all that the filter shows, or none', run: (hands) => hands.markAll() },
  { keys: ['y'], group: 'List', help: 'copy the id (for a step: the trace) by OSC 52', run: (hands) => hands.copy() },
  { keys: ['p'], group: 'Screen', help: 'freeze what is shown, and go on', run: (hands) => hands.freeze() },
  { keys: ['R'], group: 'Screen', help: 'try a lost link now', run: (hands) => hands.retryLink() },
  {
    keys: ['m'],
    group: 'Screen',
    help: 'mouse on or off (off: the terminal selects text)',
    run: (hands) => hands.mouse(),
  },
  { keys: ['t'], group: 'Screen', help: 'the next theme: dark, light, mono', run: (hands) => hands.theme() },
  { keys: ['ctrl-l'], group: 'Screen', help: 'draw everything anew', run: (hands) => hands.redraw() },
  { keys: ['?'], group: 'Screen', label: 'help', help: 'these keys', run: (hands) => hands.help() },
  {
    keys: ['q', 'ctrl-c'],
    group: 'Screen',
    label: 'quit',
    help: 'leave; the system goes on running',
    run: (hands) => hands.quit(),
  },
];

/** Number keys are those of the pages. */
export const PAGE_KEYS: readonly KeyEntry[] = PAGES.filter((page) => page.key !== undefined).map((page) => ({
  keys: [page.key!],
  group: 'Go',
  help: `${page.title}: ${page.about}`,
  run: (hands) => hands.go(page.name),
}));

const SHOWN: Record<string, string> = { escape: 'esc', pagedown: 'pgdn', pageup: 'pgup', 'shift-tab': 'shift-tab' };
export const shownKey = (key: string): string => SHOWN[key] ?? key;

/** Keys with what they do, in groups: for the help and the guide. */
export function keyHelp(page?: Page): { group: string; rows: [keys: string, help: string][] }[] {
  const rows = (entries: readonly KeyEntry[]): [string, string][] =>
    entries.map(({ keys, help }) => [keys.map(shownKey).join(' '), help]);
  const acts = (list: readonly Act[]): [string, string][] => list.map(({ key, help }) => [key, help]);
  const pages = page ? [page] : PAGES.filter(({ acts: list }) => list.length > 0);
  const entriesOf = (group: KeyEntry['group']) => KEYS.filter((entry) => entry.group === group);
  return [
    ...pages
      .filter(({ acts: list }) => list.length > 0)
      .map(({ title, acts: list }) => ({ group: `Act (${title})`, rows: acts(list) })),
    { group: 'List', rows: rows(entriesOf('List')) },
    { group: 'Go', rows: rows([...PAGE_KEYS, ...entriesOf('Go')]) },
    { group: 'Screen', rows: rows(entriesOf('Screen')) },
  ];
}
