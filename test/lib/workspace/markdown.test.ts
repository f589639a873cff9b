import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toMarkdown } from '../../../lib/workspace/index.ts';
import { bytesText, secondsText } from '../../../lib/workspace/units.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('toMarkdown');

const body = (value: unknown) =>
  toMarkdown([{ title: 'S', value }], { title: 'T' })
    .replace('# T\n\n## S\n\n', '')
    .trimEnd();

test('a whole note', () => {
  const note = toMarkdown(
    [
      { title: 'Summary', value: 'All is well.\n\nReally.' },
      {
        title: 'Disks',
        value: [
          { path: '/', available_bytes: 85_245_571_072, used_percent: 21.84 },
          { path: '/a|b', available_bytes: 1536, used_percent: null },
        ],
      },
      {
        title: 'System',
        value: {
          host: 'vm',
          uptime_seconds: 273_660,
          took_ms: 12.6,
          ok: true,
          parts: ['a', 'b'],
          load: { load_1m: 0.5 },
        },
      },
      { title: 'Search', value: { skipped: true, reason: 'BRAVE_API_KEY is not set' } },
      { title: 'Nothing', value: null },
      { title: 'Empty', value: [] },
    ],
    { title: 'Host report' },
  );
  assert.equal(
    note,
    `# Host report

## Summary

All is well.

Really.

## Disks

| path  | available |          used |
| ----- | --------: | ------------: |
| /     |  79.4 GiB |        21.8 % |
| /a\\|b |   1.5 KiB | not available |

## System

- host: vm
- uptime: 3 d 4 h
- took: 13 ms
- ok: true
- parts:
  - a
  - b
- load:
  - load 1m: 0.5

## Search

skipped: BRAVE_API_KEY is not set

## Nothing

not available

## Empty

(none)
`,
  );
});

test('units', () => {
  assert.deepEqual([0, 1, 1023, 1024, 1536, 1024 ** 2 - 1, 1.2 * 1024 ** 3, 1024 ** 5, -2048].map(bytesText), [
    '0 B',
    '1 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 MiB',
    '1.2 GiB',
    '1.0 PiB',
    '-2.0 KiB',
  ]);
  assert.deepEqual([0, 0.25, 1, 59.5, 60, 125, 3600, 3661, 86_400, 86_461, 273_600, -90].map(secondsText), [
    '0 s',
    '0.25 s',
    '1 s',
    '59.5 s',
    '1 min',
    '2 min 5 s',
    '1 h',
    '1 h 1 min',
    '1 d',
    '1 d',
    '3 d 4 h',
    '-1 min 30 s',
  ]);
});

test('depth is limited', () => {
  let deep: unknown = 'bottom';
  for (let i = 0; i < 20; i++) deep = { in: deep };
  const lines = body(deep).split('\n');
  assert.equal(lines.length, 4);
  assert.match(lines[3]!, /^ {6}- in: `\{"in":/);
});

test('a list of unlike things, and rows with unlike fields', () => {
  assert.equal(
    body(['x', 1, null, { a: 1, b: { c: 2 } }]),
    '- x\n- 1\n- not available\n- 4:\n  - a: 1\n  - b:\n    - c: 2',
  );
  assert.equal(body([{ a: 1 }, { b: 'y' }]), '|   a | b   |\n| --: | --- |\n|   1 |     |\n|     | y   |');
  assert.equal(body([{}, {}]), '- (none)\n- (none)');
});

test('text from outside opens nothing', () => {
  assert.equal(
    body('# heading\n```js\n--- \n> quote\n| a |\n===\nplain - text'),
    '\\# heading\n\\```js\n\\---\n\\> quote\n\\| a |\n\\===\nplain - text',
  );
  assert.equal(
    body('![x](https://evil.example/?q=1) <img src=x> **bold**'),
    '!\\[x](https://evil.example/?q=1) &lt;img src=x> **bold**',
  );
  assert.equal(body('\u001b[31mred\u001b[0m \u202eback\u0000\u0007 \u009b2J'), 'red back');
  assert.equal(body({ 'a\n# b': 'c\n# d' }), '- a # b: c # d');
  assert.equal(body(['# no', '```', '---']), '- \\# no\n- \\```\n- \\---');
  assert.equal(
    body([{ a: 'x\\|y\nz' }])
      .split('\n')
      .at(-1),
    '| x&#92;\\|y z |',
  );
});

test('takes time in proportion to the text', () => {
  const cpuMs = (piece: string, times: number) => {
    const text = `${piece.repeat(times)}x`;
    const before = process.cpuUsage();
    toMarkdown(
      [
        { title: text, value: text },
        { title: 'rows', value: [{ [text]: text }] },
        { title: 'list', value: [text, [text]] },
      ],
      { title: text },
    );
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  for (const piece of ['- ', '-', '#', '1. ', '> ', ' ', '|', '\\|', '\n', '`', '!', '<', '\u001b[', '* - _ ']) {
    const small = cpuMs(piece, 25_000);
    const large = cpuMs(piece, 200_000);
    // Eight times the text; what goes with its square takes 64 times as long.
    assert.ok(
      large < 24 * Math.max(small, 10),
      `${JSON.stringify(piece)}: ${small} ms, and ${large} ms of eight times it`,
    );
  }
});

test('whatever the values: our headings only, no control characters, tables of even rows', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab#|`-*>=<![]()\\\n\r\t_~ \u0000\u001b\u009b[1m\u2028é') });
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      text,
      fc.double(),
      fc.constant(null),
      fc.constant(undefined),
      tie('object'),
      tie('list'),
      tie('rows'),
    ),
    list: fc.array(tie('value'), { maxLength: 3 }),
    rows: fc.array(fc.dictionary(text, fc.oneof(text, fc.integer()), { maxKeys: 3 }), { minLength: 1, maxLength: 3 }),
    object: fc.dictionary(text, tie('value'), { maxKeys: 3 }),
  })).value;
  fc.assert(
    fc.property(value, text, (given, title) => {
      const note = toMarkdown([{ title, value: given }], { title });
      const lines = note.split('\n');
      assert.equal(lines.filter((line) => /^\s*(- )*#/.test(line)).length, 2, note);
      assert.ok(!/[\p{Cc}\u2028]/u.test(note.replaceAll('\n', '').replaceAll('\t', '')), JSON.stringify(note));
      assert.ok(!/!\[|</.test(note.replace(/`[^`\n]*`/g, 'code')), note);
      assert.ok(!lines.some((line) => /^\s*(- )*(```|~~~)/.test(line)), note);
      const bars = lines
        .filter((line) => line.startsWith('| '))
        .map((line) => line.replaceAll('\\|', '').split('|').length);
      assert.ok(new Set(bars).size <= 1, note);
      assert.equal(note.at(-1), '\n');
    }),
    // The first once broke out of its code by the name of a field.
    { numRuns: 2000, examples: [[[[{ '': { '`': [{ '<': '' }, {}] } }]], '']] },
  );
});

test.run();
