/** The signs of the screen, once for terminals with Unicode and once in ASCII. */
export interface Glyphs {
  readonly unicode: boolean;
  readonly border: {
    readonly horizontal: string;
    readonly vertical: string;
    readonly corners: readonly [string, string, string, string];
  };
  readonly more: string;
  readonly cursor: string;
  readonly marked: string;
  readonly dot: string;
  readonly path: string;
  readonly tee: string;
  readonly corner: string;
  readonly full: string;
  readonly light: string;
  /** From empty to full. */
  readonly levels: readonly string[];
  readonly states: Readonly<Record<string, string>>;
  /** Text as this terminal can show it. */
  readonly plain: (text: string) => string;
}

export const UNICODE: Glyphs = {
  unicode: true,
  border: { horizontal: '─', vertical: '│', corners: ['┌', '┐', '└', '┘'] },
  more: '…',
  cursor: '▸',
  marked: '◆',
  dot: '·',
  path: '›',
  tee: '├',
  corner: '└',
  full: '█',
  light: '░',
  levels: [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
  states: {
    succeeded: '✓',
    failed: '✗',
    running: '●',
    waiting: '◐',
    retrying: '↻',
    approved: '○',
    queued: '○',
    cancelled: '⊘',
    skipped: '⊘',
    unknown: '?',
    paused: '‖',
    ok: '✓',
    warn: '!',
    bad: '✗',
    off: '○',
    ask: '?',
  },
  plain: (text) => text,
};

/** What ASCII has for the signs that our own texts use; everything else becomes a question mark. */
const SPELLED: Record<string, string> = {
  '…': '~',
  '·': '.',
  '›': '>',
  '▪': '?',
  '–': '-',
  '→': '>',
  '█': '#',
  '░': '.',
};

export const ASCII: Glyphs = {
  unicode: false,
  border: { horizontal: '-', vertical: '|', corners: ['+', '+', '+', '+'] },
  more: '~',
  cursor: '>',
  marked: '*',
  dot: '.',
  path: '>',
  tee: '|',
  corner: '`',
  full: '#',
  light: '.',
  levels: [' ', '.', '.', ':', ':', '-', '=', '+', '#'],
  states: {
    succeeded: '+',
    failed: 'x',
    running: '*',
    waiting: 'o',
    retrying: '@',
    approved: '-',
    queued: '-',
    cancelled: '/',
    skipped: '/',
    unknown: '?',
    paused: '"',
    ok: '+',
    warn: '!',
    bad: 'x',
    off: '-',
    ask: '?',
  },
  plain: (text) =>
    /^[\x20-\x7e]*$/.test(text) ? text : text.replace(/[^\x20-\x7e]/gu, (sign) => SPELLED[sign] ?? '?'),
};
