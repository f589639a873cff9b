import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';
import blessed from 'blessed';
import { type Frame, inside, type Panel, type Piece, panelRows, type Series } from '../view/frame.ts';
import type { Glyphs } from '../view/glyphs.ts';
import type { Theme } from '../view/theme.ts';
import type { TerminalPlan } from './plan.ts';

/**
 * The only file that draws with blessed. It is given whole frames and touches only what changed in them: a frame that is
 * equal to the last one writes no byte. blessed gets no input and no real stream, only somewhere to write.
 */
export interface Painter {
  /** @returns whether anything was written. */
  draw: (frame: Frame, glyphs: Glyphs, theme: Theme) => boolean;
  /** Forgets what is on the terminal, so that the next frame is drawn whole. */
  resize: (columns: number, rows: number) => void;
  /** Leaves the alternate screen. */
  end: () => void;
}

interface Drawn {
  box: blessed.Widgets.BoxElement;
  place: string;
  content: string;
  chart?: Chart;
}

interface Chart {
  widget: blessed.Widgets.BoxElement & { setData: (data: unknown) => void };
  key: string;
}

const require = createRequire(import.meta.url);
/** Of blessed-contrib, with what it needs: read when the first picture stands, which has no chart yet. */
const contribLine = () =>
  require('blessed-contrib/lib/widget/charts/line.js') as typeof import('blessed-contrib/lib/widget/charts/line.js').default;

const CHART_COLOURS = { good: 'green', bad: 'red', info: 'cyan' } as const;

const BLESSED_LISTENS = ['exit', 'uncaughtException', 'SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

// Our texts are UTF-8 or ASCII already; blessed must neither translate them nor ask tmux for its version.
process.env.NCURSES_NO_UTF8_ACS = '1';
process.env.NCURSES_UNICODE = '1';

export function createPainter(
  write: (text: string) => void,
  size: { columns: number; rows: number },
  plan: TerminalPlan,
): Painter {
  const output = Object.assign(new EventEmitter(), {
    columns: size.columns,
    rows: size.rows,
    isTTY: true,
    writable: true,
    write: (text: string) => {
      write(text);
      return true;
    },
  });
  const tmux = process.env.TMUX;
  delete process.env.TMUX;
  const strangers = new Map(
    BLESSED_LISTENS.map((event) => [event, new Set<unknown>(process.listeners(event as 'exit'))]),
  );
  const program = blessed.program({
    input: new PassThrough(),
    output: output as unknown as NodeJS.WriteStream,
    terminal: plan.terminal,
    // Given, and not guessed from the locale of this process: an SSH viewer has another one.
    ...({ forceUnicode: true } as object),
  });
  if (tmux !== undefined) process.env.TMUX = tmux;
  const screen = blessed.screen({
    program,
    smartCSR: false,
    fullUnicode: true,
    warnings: false,
    autoPadding: false,
    forceUnicode: true,
  });
  // At an end blessed clears the screen below what was printed about it, and says exit code 0 for a signal: whoever owns the terminal restores it.
  for (const [event, before] of strangers) {
    for (const listener of process.listeners(event as 'exit'))
      if (!before.has(listener)) process.removeListener(event, listener);
  }
  const drawn = new Map<string, Drawn>();
  if (plan.charts) setImmediate(contribLine);

  const forget = (id: string, was: Drawn) => {
    was.chart?.widget.detach();
    was.box.detach();
    drawn.delete(id);
  };

  function drawPanel(panel: Panel, glyphs: Glyphs, theme: Theme): boolean {
    const place = `${panel.x},${panel.y},${panel.width},${panel.height}`;
    const content = panelRows(panel, glyphs)
      .map((pieces) => sgrLine(pieces, theme))
      .join('\n');
    let was = drawn.get(panel.id);
    let changed = false;
    if (was && was.place !== place) {
      forget(panel.id, was);
      was = undefined;
      changed = true;
    }
    if (!was) {
      const box = blessed.box({
        // Named, because a process of many viewers has many screens.
        screen,
        left: panel.x,
        top: panel.y,
        width: panel.width,
        height: panel.height,
        tags: false,
        wrap: false,
      });
      screen.append(box);
      was = { box, place, content: '' };
      drawn.set(panel.id, was);
    }
    if (was.content !== content) {
      was.box.setContent(content);
      was.content = content;
      changed = true;
    }
    return drawChart(panel, was, theme) || changed;
  }

  function drawChart(panel: Panel, was: Drawn, theme: Theme): boolean {
    const wanted = panel.chart && plan.charts && panel.height >= 7 && panel.width >= 30;
    if (!wanted) {
      if (!was.chart) return false;
      was.chart.widget.detach();
      delete was.chart;
      return true;
    }
    const area = inside(panel);
    if (!was.chart) {
      // Not with `parent`: the canvas is made at the attachment, and would not be there yet. An empty label would be drawn as "null".
      const widget = contribLine()({
        screen,
        left: area.x,
        top: area.y,
        width: area.width,
        height: area.height,
        label: ' ',
        border: undefined,
        showLegend: false,
        wholeNumbersOnly: true,
        minY: 0,
        numYLabels: Math.max(2, Math.min(5, Math.floor(area.height / 3))),
        xPadding: 5,
        // A row whose last cell has a colour would be broken at a blank before it.
        wrap: false,
        xLabelPadding: 3,
        style: { line: 'green', text: theme.dim === '' ? 'white' : 'white', baseline: 'white' },
      }) as Chart['widget'];
      // All of the area: contrib leaves six columns at the right and three rows at the bottom for labels that we do not have.
      const canvas = { width: area.width * 2, height: (area.height + 2) * 4 };
      Object.assign(widget, { calcSize: () => Object.assign(widget, { canvasSize: canvas }) });
      screen.append(widget);
      was.chart = { widget, key: '' };
    }
    const columns = area.width;
    const key = panel.chart!.map(({ values }) => values.slice(-columns).join(',')).join(';');
    if (was.chart.key === key) return false;
    was.chart.key = key;
    was.chart.widget.setData(panel.chart!.map((series) => chartData(series, columns)));
    return true;
  }

  return {
    draw: (frame, glyphs, theme) => {
      let changed = false;
      const seen = new Set<string>();
      for (const panel of frame.panels) {
        if (panel.width <= 0 || panel.height <= 0) continue;
        seen.add(panel.id);
        changed = drawPanel(panel, glyphs, theme) || changed;
      }
      for (const [id, was] of drawn) {
        if (seen.has(id)) continue;
        forget(id, was);
        changed = true;
      }
      // Later panels lie over earlier ones, whenever they were made.
      if (changed) for (const { id } of frame.panels) if (id.startsWith('over:')) drawn.get(id)?.box.setFront();
      if (changed) {
        screen.render();
        (program as unknown as { flush(): void }).flush();
      }
      return changed;
    },
    resize: (columns, rows) => {
      for (const [id, was] of drawn) forget(id, was);
      Object.assign(output, { columns, rows });
      Object.assign(program, { cols: columns, rows });
      // A new, dirty buffer of cells: everything is written anew.
      (screen as unknown as { alloc(dirty?: boolean): void }).alloc(true);
    },
    end: () => {
      screen.destroy();
      (program as unknown as { flush(): void }).flush();
    },
  };
}

function chartData({ title, style, values }: Series, columns: number) {
  const shown = values.slice(-columns);
  // Five values at least, and a scale that does not end at zero.
  return { title, x: shown.map(() => ' '), y: shown, style: { line: CHART_COLOURS[style] } };
}

/** A row as text with SGR sequences; the text itself holds none, because it is clean. */
function sgrLine(pieces: readonly Piece[], theme: Theme): string {
  let out = '';
  for (const [text, style] of pieces) {
    const code = theme[style];
    out += code === '' ? text : `\x1b[${code}m${text}\x1b[m`;
  }
  return out;
}
