import { stripVTControlCharacters } from 'node:util';
import { label, measured } from './units.ts';

export interface Section {
  readonly title: string;
  /** Plain data, as JSON carries it. `{skipped: true, reason}` says why there is none. */
  readonly value: unknown;
}

/** Below this, a value is written as JSON on one line. */
const DEPTH = 4;
const NOTHING = 'not available';

/**
 * A note for people from the data of a report. Strings become paragraphs, lists of flat objects tables, objects bullets;
 * numbers are written by the unit in their field's name (`_bytes`, `_percent`, `_seconds`, `_ms`). Text from outside
 * cannot break out of its place or load anything where the note is shown: control characters go; line breaks and pipes in
 * cells, headings, fences, images and HTML are escaped. Emphasis, links and lists stay.
 */
export function toMarkdown(sections: readonly Section[], { title }: { title: string }): string {
  const parts = [`# ${inline(title)}`];
  for (const section of sections) parts.push(`## ${inline(section.title)}`, block(section.value));
  return `${parts.join('\n\n')}\n`;
}

function block(value: unknown): string {
  if (typeof value === 'string') return paragraphs(value) || '(empty)';
  if (!isComposite(value) || isSkipped(value)) return scalar('', value);
  if (Array.isArray(value) && value.every(isFlatObject) && value.some((row) => Object.keys(row).length > 0))
    return table(value);
  return bullets(value, 0).join('\n') || '(none)';
}

function paragraphs(text: string): string {
  return inert(clean(text))
    .split(/\n{2,}/)
    .map((paragraph) =>
      paragraph
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean)
        .map(unopened)
        .join('\n'),
    )
    .filter(Boolean)
    .join('\n\n');
}

function table(rows: readonly Record<string, unknown>[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [
    names.map((name) => cell(inline(label(name)))),
    ...rows.map((row) => names.map((name) => (name in row ? cell(scalar(name, row[name])) : ''))),
  ];
  const numeric = names.map(
    (name) =>
      rows.every((row) => typeof row[name] === 'number' || row[name] == null) &&
      rows.some((row) => typeof row[name] === 'number'),
  );
  const widths = names.map((_, column) => Math.max(3, ...lines.map((line) => width(line[column]!))));
  const drawn = lines.map((line) =>
    line.map((text, column) => pad(text, widths[column]!, numeric[column] === true)).join(' | '),
  );
  const rule = widths.map((size, column) => (numeric[column] ? `${'-'.repeat(size - 1)}:` : '-'.repeat(size)));
  return [drawn[0]!, rule.join(' | '), ...drawn.slice(1)].map((line) => `| ${line} |`).join('\n');
}

function bullets(value: object, depth: number): string[] {
  const isList = Array.isArray(value);
  const item = (text: string) => `${'  '.repeat(depth)}- ${unopened(text)}`;
  return Object.entries(value).flatMap(([name, member]) => {
    const head = isList ? '' : `${inline(label(name))}: `;
    if (!isComposite(member) || isSkipped(member)) return [item(head + scalar(isList ? '' : name, member))];
    if (Object.keys(member).length === 0) return [item(`${head}(none)`)];
    if (depth + 1 >= DEPTH) {
      // A backtick before it would open the code that its own one then closes.
      return [item(head.replaceAll('`', "'") + code(JSON.stringify(member)))];
    }
    return [item(head.trim() || `${Number(name) + 1}:`), ...bullets(member, depth + 1)];
  });
}

/** On one line. */
function scalar(name: string, value: unknown): string {
  if (value === null || value === undefined) return NOTHING;
  if (typeof value === 'number') return measured(name, value) ?? String(value);
  if (typeof value === 'string') return inline(value) || '(empty)';
  if (isSkipped(value)) return `skipped: ${inline(String(value.reason ?? 'no reason given'))}`;
  return inline(String(value));
}

function isComposite(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isSkipped(value: unknown): value is { skipped: true; reason?: unknown } {
  return isComposite(value) && 'skipped' in value && value.skipped === true;
}

function isFlatObject(value: unknown): value is Record<string, unknown> {
  return isComposite(value) && !Array.isArray(value) && !isSkipped(value) && !Object.values(value).some(isNested);
}

const isNested = (value: unknown) => isComposite(value) && !isSkipped(value);

/** Without control characters (terminal escapes, direction overrides); line breaks and tabs stay. */
function clean(text: string): string {
  return stripVTControlCharacters(text.toWellFormed())
    .replace(/\r\n?/g, '\n')
    .replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) =>
      /[\n\t]/.test(character) ? character : '',
    );
}

function inline(text: string): string {
  return inert(oneLine(text));
}

function oneLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

/** Neither HTML nor an image: an image is fetched where the note is shown, from an address that carries what it likes. */
function inert(text: string): string {
  return text.replaceAll('<', '&lt;').replaceAll('![', '!\\[');
}

/** At the beginning of a line these would open a heading, a quote, a table or a rule, or a fence that swallows the rest. */
function unopened(line: string): string {
  // Also within lists; a bound, since the rule is looked for again at each of them.
  const opening = /^((?:(?:[-+*]|\d{1,9}[.)])\s+){0,8})(?=#|```|~~~|\||>|=+$|-+$|[-*_]( ?[-*_]){2,}$)/;
  return line.replace(opening, '$1\\');
}

function cell(text: string): string {
  // A backslash before the pipe would take the escape to itself.
  return text.replace(/\\+(?=\|)/g, (run) => '&#92;'.repeat(run.length)).replaceAll('|', '\\|');
}

function code(text: string): string {
  return `\`${oneLine(text).replaceAll('`', "'")}\``;
}

/** In characters as people count them; wide ones are counted as one. */
function width(text: string): number {
  return [...text].length;
}

function pad(text: string, size: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, size - width(text)));
  return right ? blanks + text : text + blanks;
}
