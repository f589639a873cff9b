import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../harness/suite.ts';
import { fakeFeed, openScreen } from './emulator.ts';
import { sampleState } from './sample.ts';

// What a terminal shows of the main pages, of the same afternoon at the same noon, a file each. After a change that is
// meant: OPENCLAW_GOLDENS=write bin/openclaw-node test/tui/goldens.test.ts, and look at what git says has changed.
const test = suite('pages as a terminal shows them', { timeoutMs: 60_000 });
const FOLDER = path.join(import.meta.dirname, 'goldens');
const WRITE = process.env.OPENCLAW_GOLDENS === 'write';
const SIZES = [
  [80, 24],
  [120, 40],
  [200, 60],
  [50, 12],
] as const;
const PLACES: readonly (readonly [name: string, keys: readonly string[]])[] = [
  ['overview', []],
  ['missions', ['2']],
  ['mission', [':', 'm', '9', 'enter']],
  ['queue', ['3']],
  ['workers', ['4']],
  ['events', ['6']],
  ['help', ['?']],
];

if (WRITE) {
  for (const file of globSync(path.join(FOLDER, '*.txt'))) rmSync(file);
  mkdirSync(FOLDER, { recursive: true });
}
const made = new Set<string>();

for (const [columns, rows] of SIZES) {
  test(`${columns}x${rows}`, async () => {
    for (const [name, keys] of columns < 60 ? PLACES.slice(0, 1) : PLACES) {
      const screen = openScreen(columns, rows, { feed: fakeFeed(sampleState()) });
      await screen.keys(...keys);
      const text = `${await screen.text()}\n`;
      screen.session.end();
      const file = path.join(FOLDER, `${name}-${columns}x${rows}.txt`);
      made.add(file);
      if (WRITE) writeFileSync(file, text);
      assert.ok(existsSync(file), `${file} is missing: OPENCLAW_GOLDENS=write makes it`);
      assert.fixture(text, readFileSync(file, 'utf8'), `${name} ${columns}x${rows}`);
    }
  });
}

test('no file is left over', () => {
  assert.equal(new Set(globSync(path.join(FOLDER, '*.txt'))), made);
});

test.run();
