import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { emptyState } from '../../tui/feed/state.ts';
import { keyTables } from '../../tui/guide.ts';
import { readableMarkdown } from '../../tui/pages/canvas.ts';
import { PAGES } from '../../tui/pages/index.ts';
import { KEYS, PAGE_KEYS } from '../../tui/session/keyTable.ts';
import { shell } from '../../tui/session/shell.ts';
import { newPageUi } from '../../tui/session/ui.ts';
import { planTerminal } from '../../tui/terminal/plan.ts';
import { frameText } from '../../tui/view/frame.ts';
import { ASCII, UNICODE } from '../../tui/view/glyphs.ts';
import { suite } from '../harness/suite.ts';
import { NOON } from './emulator.ts';
import { sampleState } from './sample.ts';

const test = suite('pages and keys');

test('the guide has the keys and pages as they are', () => {
  const guide = readFileSync(path.join(CODE_ROOT, 'docs/screen.md'), 'utf8');
  assert.ok(guide.includes(keyTables()), 'write it anew: bin/openclaw-node tui/guide.ts');
});

test('no key means two things on a page', () => {
  const global = [...KEYS, ...PAGE_KEYS].flatMap(({ keys }) => keys);
  assert.is(new Set(global).size, global.length);
  for (const page of PAGES) {
    const all = [...global, ...page.acts.map(({ key }) => key)];
    assert.is(new Set(all).size, all.length, page.name);
  }
});

test('each page draws at each size, without data, with it, and with its section refused', () => {
  for (const page of PAGES) {
    for (const [columns, rows] of [
      [60, 16],
      [80, 24],
      [120, 40],
      [200, 60],
    ] as const) {
      for (const state of [
        emptyState(NOON),
        { ...emptyState(NOON), ...sampleState() },
        { ...emptyState(NOON), broken: new Map(page.sections.map(({ name }) => [name, 'permission denied'])) },
      ]) {
        const { frame } = shell({
          columns,
          rows,
          state,
          place: { page: page.name, ...(page.detailOf && { id: '9' }) },
          page,
          ui: newPageUi(),
          glyphs: UNICODE,
          name: 'test',
          who: 'ada',
          role: 'operator',
          now: NOON,
        });
        const lines = frameText(frame, UNICODE).split('\n');
        assert.is(lines.length, rows, page.name);
        for (const panel of frame.panels) {
          assert.ok(
            panel.x >= 0 && panel.x + panel.width <= columns && panel.y + panel.height <= rows,
            `${page.name} ${columns}x${rows}: ${panel.id} is off the screen`,
          );
        }
      }
    }
  }
});

test('ASCII is ASCII', () => {
  const page = PAGES[0]!;
  const { frame } = shell({
    columns: 120,
    rows: 40,
    state: { ...emptyState(NOON), ...sampleState() },
    place: { page: page.name },
    page,
    ui: newPageUi(),
    glyphs: ASCII,
    name: 'tést 漢',
    who: 'ada',
    role: 'operator',
    now: NOON,
  });
  assert.match(frameText(frame, ASCII), /^[\x20-\x7e\n]*$/);
});

test('TERM is looked up, never used as it came', () => {
  assert.equal(planTerminal({ TERM: '/etc/passwd', LANG: 'C.UTF-8' }), {
    terminal: 'xterm-256color',
    colours: false,
    unicode: true,
    charts: true,
  });
  assert.is((planTerminal({ TERM: 'tmux-256color', LANG: 'C.UTF-8' }) as { colours: boolean }).colours, true);
  assert.is((planTerminal({ TERM: 'xterm', NO_COLOR: '1' }) as { colours: boolean }).colours, false);
  assert.is((planTerminal({ TERM: 'linux', LANG: 'C.UTF-8' }) as { charts: boolean }).charts, false);
  assert.match(String(planTerminal({ TERM: 'dumb' })), /dumb/);
  assert.match(String(planTerminal({})), /nothing/);
});

test('a table of Markdown that an agent drew stands in columns, numbers to the right', () => {
  const text = readableMarkdown(
    '# Market\n\n| venue | price | change |\n|---|---:|---|\n| Alpha | 101.2 | +0.4% |\n| B | 98 | -1.1% |\n\n**end** | x',
  );
  assert.is(
    text,
    'MARKET\n\nvenue  price  change\n-----  -----  ------\nAlpha  101.2   +0.4%\nB         98   -1.1%\n\nend | x',
  );
});

test.run();
