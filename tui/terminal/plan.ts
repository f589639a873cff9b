/**
 * What a terminal can do, from TERM and the locale. TERM comes from whoever connects, blessed opens it as a path when it
 * holds a slash and compiles what it finds there: so it is only ever looked up here, and blessed gets one of three names.
 */
export interface TerminalPlan {
  readonly terminal: 'xterm-256color' | 'linux' | 'vt100';
  readonly colours: boolean;
  readonly unicode: boolean;
  /** Braille is unreadable in a console's font. */
  readonly charts: boolean;
}

const COLOUR =
  /^(xterm|screen|tmux|rxvt|alacritty|foot|kitty|ghostty|wezterm|konsole|gnome|vte|st|iterm|putty|mintty|contour|mosh)/;

/** @returns a reason instead where nothing can be drawn. */
export function planTerminal(environment: Readonly<Record<string, string | undefined>>): TerminalPlan | string {
  const term = (environment.TERM ?? '').toLowerCase();
  if (term === '' || term === 'dumb') return `the terminal says of itself that it is "${term || 'nothing'}"`;
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || '';
  const unicode = /utf-?8/i.test(locale);
  const colours = !environment.NO_COLOR;
  if (term === 'linux') return { terminal: 'linux', colours, unicode, charts: false };
  if (/^(vt\d|ansi$)/.test(term)) return { terminal: 'vt100', colours: false, unicode: false, charts: false };
  const known = COLOUR.test(term.replace(/^xterm-(kitty|ghostty)/, 'xterm')) || /256color|truecolor/.test(term);
  return {
    terminal: 'xterm-256color',
    colours: colours && (known || term.includes('color')),
    unicode,
    charts: unicode,
  };
}
