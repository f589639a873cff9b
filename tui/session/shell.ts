import type { State } from '../feed/state.ts';
import type { Page, PageView } from '../pages/types.ts';
import { type Frame, type Line, line, type Panel, type Rect } from '../view/frame.ts';
import type { Glyphs } from '../view/glyphs.ts';
import { banners } from './banners.ts';
import { footer, header, tabs } from './edges.ts';
import { type Overlay, overlayPanels, type Prompt } from './overlays.ts';
import type { PageUi, Place } from './ui.ts';

export const LEAST = { columns: 60, rows: 16 };

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
  const above = banners(input);
  const area: Rect = { x: 0, y: 2 + above.length, width: columns, height: rows - 3 - above.length };
  const view = page.view({ state, place, ui, area, now: now + state.skewMs, glyphs });
  const lost = !state.postgres.up && state.at > 0;
  const panels: Panel[] = [
    { id: 'header', x: 0, y: 0, width: columns, height: 1, lines: [header(input)] },
    { id: 'tabs', x: 0, y: 1, width: columns, height: 1, lines: [tabs(input)] },
    ...above.map(
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
    { id: 'footer', x: 0, y: rows - 1, width: columns, height: 1, lines: [footer(input, view)] },
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
