import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type xterm from '@xterm/headless';
import { screenSource } from '../../cli/screenSource.ts';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { openFeed } from '../../tui/feed/feed.ts';
import { localSources } from '../../tui/feed/locals.ts';
import { fakeActor, openScreen } from '../tui/emulator.ts';
import { withPalette } from './palettePng.ts';

/**
 * Pictures of the screen as a terminal shows it, of the system that runs for OPENCLAW_HOME: the frames go to the emulator of
 * the tests, its cells become an SVG, and rsvg-convert (Debian: librsvg2-bin) makes a PNG of it.
 *
 *   export OPENCLAW_HOME=/tmp/pictures; cp -r test/pictures/home $OPENCLAW_HOME; bin/openclaw up --detach
 *   test/pictures/seed.sh
 *   bin/openclaw-node test/pictures/take.ts
 */
const SIZES = [
  [120, 40],
  [80, 24],
] as const;
const PAGES: readonly (readonly [name: string, keys: readonly string[]])[] = [
  ['overview', []],
  ['mission', ['2', 'enter']],
  ['queue', ['3']],
];
const CELL = { width: 8.4, height: 17 };
const GROUND = '#16181d';
const TEXT = '#d7dae0';
const PALETTE = [
  '#2b2f38',
  '#e06c75',
  '#98c379',
  '#e5c07b',
  '#3f6fb5',
  '#c678dd',
  '#56b6c2',
  '#d7dae0',
  '#7d8590',
  '#ff7b86',
  '#b5e890',
  '#ffd98c',
  '#82bfff',
  '#e29bf5',
  '#7fe3ee',
  '#ffffff',
];

const xml = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function svgOf(terminal: xterm.Terminal): string {
  const parts: string[] = [];
  for (let y = 0; y < terminal.rows; y++) {
    const line = terminal.buffer.active.getLine(y)!;
    for (let x = 0; x < terminal.cols; x++) {
      const cell = line.getCell(x)!;
      const characters = cell.getChars();
      const inverse = cell.isInverse() !== 0;
      const ink = cell.isFgDefault() ? TEXT : PALETTE[cell.getFgColor()]!;
      const ground = cell.isBgDefault() ? GROUND : PALETTE[cell.getBgColor()]!;
      const [front, back] = inverse ? [ground, ink] : [ink, ground];
      const [left, top] = [(x * CELL.width).toFixed(1), y * CELL.height];
      if (back !== GROUND)
        parts.push(`<rect x="${left}" y="${top}" width="${CELL.width + 0.3}" height="${CELL.height}" fill="${back}"/>`);
      if (characters.trim() !== '')
        parts.push(
          `<text x="${left}" y="${top + 13}" fill="${front}"${cell.isBold() ? ' font-weight="bold"' : ''}>${xml(characters)}</text>`,
        );
    }
  }
  const [width, height] = [Math.ceil(terminal.cols * CELL.width), terminal.rows * CELL.height];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="DejaVu Sans Mono" font-size="14"><rect width="100%" height="100%" fill="${GROUND}"/>${parts.join('')}</svg>`;
}

const source = screenSource();
const feed = openFeed({ reader: source.reader, locals: localSources(source.config) });
const folder = path.join(CODE_ROOT, 'docs/pictures');
mkdirSync(folder, { recursive: true });
for (const [columns, rows] of SIZES) {
  for (const [name, keys] of PAGES) {
    const screen = openScreen(columns, rows, { feed, actor: fakeActor(), name: 'milkbot', now: Date.now });
    // Two polls, so that each section has come.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    for (const key of keys) await screen.keys(key);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await screen.text();
    const file = path.join(folder, `${name}-${columns}x${rows}`);
    writeFileSync(`${file}.svg`, svgOf(screen.terminal));
    const made = spawnSync('rsvg-convert', ['-o', `${file}.png`, `${file}.svg`], { encoding: 'utf8' });
    if (made.status !== 0)
      throw new Error(`rsvg-convert (Debian: librsvg2-bin): ${made.stderr || made.error?.message}`);
    rmSync(`${file}.svg`);
    writeFileSync(`${file}.png`, withPalette(readFileSync(`${file}.png`)));
    screen.session.end();
  }
}
await feed.stop();
process.exit(0);
