import { parseArgs } from 'node:util';
import type { State } from '../feed/state.ts';
import { isThere, PAGES } from '../pages/index.ts';
import { THEME_NAMES, type ThemeName } from '../view/theme.ts';
import type { ActionFacts } from './actor.ts';
import { KEYS, type KeyEntry } from './keyTable.ts';
import type { Place } from './ui.ts';

export type Command =
  | { readonly kind: 'none' }
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'go'; readonly place: Place }
  | { readonly kind: 'theme'; readonly theme: ThemeName }
  | { readonly kind: 'key'; readonly entry: KeyEntry }
  | {
      readonly kind: 'verb';
      readonly action: string;
      readonly args: readonly string[];
      readonly options: Readonly<Record<string, string | boolean>>;
      readonly text: string;
    };

const WORDS: Record<string, string> = { quit: 'q', q: 'q', help: '?', freeze: 'p', mouse: 'm', redraw: 'ctrl-l' };

/** What could come next, nearest first: pages, then verbs. */
export function complete(text: string, table: readonly ActionFacts[], state: State): string[] {
  const typed = text.trimStart().toLowerCase();
  const all = [
    ...PAGES.filter((page) => !page.detailOf && isThere(page, state)).map(({ title }) => title),
    ...table.map(({ name }) => name),
    ...THEME_NAMES.map((name) => `theme ${name}`),
    'quit',
  ];
  const starts = all.filter((one) => one.startsWith(typed) && one !== typed.trimEnd());
  const holds =
    typed.length > 1
      ? all.filter((one) => !starts.includes(one) && one.includes(typed.trimEnd()) && one !== typed.trimEnd())
      : [];
  return [...starts, ...holds];
}

/** A line of the palette: a page, an id (m12, j104), or a verb of the command line with its arguments. */
export function parseCommand(line: string, table: readonly ActionFacts[], state: State): Command {
  const words = split(line);
  if (words === undefined) return { kind: 'error', message: 'a quote is not closed' };
  if (words.length === 0) return { kind: 'none' };
  const [first, second] = words as [string, string?];
  if (words.length === 1) {
    const id = /^([mj])(\d{1,15})$/.exec(first);
    if (id) return { kind: 'go', place: { page: id[1] === 'm' ? 'mission' : 'job', id: id[2]! } };
    const key = WORDS[first] && KEYS.find(({ keys }) => keys.includes(WORDS[first]!));
    if (key) return { kind: 'key', entry: key };
  }
  const page = PAGES.find(({ title, detailOf }) => !detailOf && title === words.join(' '));
  if (page)
    return isThere(page, state)
      ? { kind: 'go', place: { page: page.name } }
      : { kind: 'error', message: `${page.title} comes with a part that is not installed yet` };
  if (first === 'theme') {
    const theme = THEME_NAMES.find((name) => name === second);
    return theme ? { kind: 'theme', theme } : { kind: 'error', message: `theme is one of ${THEME_NAMES.join(', ')}` };
  }
  const action = table.find(({ name }) => name === `${first} ${second}`) ?? table.find(({ name }) => name === first);
  if (!action) {
    if (table.length === 0) return { kind: 'error', message: 'the verbs are being read; try again in a moment' };
    const near = complete(line, table, state)[0];
    return {
      kind: 'error',
      message: `there is no page and no verb "${line.trim()}"${near ? `; did you mean ${near}?` : ''}`,
    };
  }
  return parseVerb(action, words.slice(action.name.split(' ').length), line.trim());
}

function parseVerb(action: ActionFacts, words: string[], text: string): Command {
  const options = Object.fromEntries(
    (action.options ?? []).map(({ flags }) => {
      const name = /--([a-z-]+)/.exec(flags)![1]!;
      return [name, { type: /[<[]/.test(flags) ? ('string' as const) : ('boolean' as const) }];
    }),
  );
  try {
    const { values, positionals } = parseArgs({ args: words, options, allowPositionals: true, strict: true });
    const missing = action.args.find(({ optional }, index) => !optional && positionals[index] === undefined);
    if (missing)
      return {
        kind: 'error',
        message: `${action.name} needs ${action.args.map(({ name, optional }) => (optional ? `[${name}]` : `<${name}>`)).join(' ')}`,
      };
    if (positionals.length > action.args.length)
      return { kind: 'error', message: `${action.name} takes ${action.args.length} arguments` };
    const given = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [camel(key), value as string | boolean]),
    );
    return { kind: 'verb', action: action.name, args: positionals, options: given, text };
  } catch (error) {
    return { kind: 'error', message: (error as Error).message.split('. ')[0]! };
  }
}

export const camel = (name: string): string =>
  name.replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());

/** Words as a shell splits them, with quotes; undefined when one is not closed. */
function split(line: string): string[] | undefined {
  const words: string[] = [];
  const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"']+))(?=\s|$)/y;
  const text = line.trim();
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (!match) return undefined;
    words.push(match[1] !== undefined ? match[1].replace(/\\(.)/g, '$1') : (match[2] ?? match[3]!));
  }
  return words;
}
