import unicode from 'blessed/lib/unicode.js';

/**
 * Text from outside (titles, errors, log lines, what a model wrote) as cells of a terminal. The one measure of width is
 * blessed's, because blessed places the cells; what terminals disagree about is replaced by a sign of width one.
 */

const PLAIN = /^[\x20-\x7e]*$/;
// C0, DEL and C1 (a terminal obeys U+009B like ESC [), line and paragraph separators, bidi marks and overrides, the byte-order mark.
const CONTROL =
  /[\p{Cc}\u2028\u2029\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
/** Variation selectors, joiners, keycaps, surrogates, what is drawn as a picture, and private signs. */
const RISKY = /[\u{10000}-\u{10ffff}]|\ufe0e|\ufe0f|\u200c|\u200d|\u20e3|\p{Emoji_Presentation}|\p{Co}|\p{Cs}|\p{Cn}/u;
const REPLACEMENT = '▪';
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Without anything that a terminal would obey or that has no certain width. Line breaks and tabs become a blank. */
export function clean(text: string): string {
  if (PLAIN.test(text)) return text;
  const plain = text
    .replace(/[\t\r\n]+/g, ' ')
    .replace(CONTROL, '')
    .normalize('NFC');
  if (PLAIN.test(plain)) return plain;
  let out = '';
  for (const { segment } of graphemes.segment(plain)) {
    if (segment.length === 1 && segment >= ' ' && segment <= '~') out += segment;
    else out += RISKY.test(segment) || unicode.strWidth(segment) === 0 ? REPLACEMENT : segment;
  }
  return out;
}

/** Columns that clean text takes. */
export function width(text: string): number {
  return PLAIN.test(text) ? text.length : unicode.strWidth(text);
}

/** Clean text cut to at most `columns`, with an ellipsis where something is missing. */
export function cut(text: string, columns: number, ellipsis = '…'): string {
  if (columns <= 0) return '';
  if (width(text) <= columns) return text;
  const room = columns - ellipsis.length;
  if (room <= 0) return ellipsis.slice(0, columns);
  if (PLAIN.test(text)) return text.slice(0, room) + ellipsis;
  let out = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const more = unicode.strWidth(segment);
    if (used + more > room) break;
    out += segment;
    used += more;
  }
  return out + ellipsis;
}

/** Clean text as lines of at most `columns`, broken at blanks where there are any; at most `most` lines. */
export function wrap(text: string, columns: number, most: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split(/\r?\n/)) {
    let rest = clean(paragraph.replace(/\t/g, '  ')).trimEnd();
    do {
      if (lines.length === most) {
        lines[most - 1] = cut(`${lines[most - 1]} …`, columns);
        return lines;
      }
      let head = cut(rest, columns, '');
      if (head.length < rest.length) {
        const blank = head.lastIndexOf(' ');
        if (blank > columns / 2) head = head.slice(0, blank);
      }
      lines.push(head);
      rest = rest.slice(head.length).replace(/^ /, '');
    } while (rest !== '' && columns > 0);
  }
  return lines;
}
