import assert from 'node:assert/strict';
import fc from 'fast-check';
import { OpenClawError } from '../../../lib/errors/index.ts';
import { addSecrets, scrubbedJson, scrubJson, toJson } from '../../../lib/log/index.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('toJson');

const errorOf = (run: () => unknown): OpenClawError => {
  try {
    run();
  } catch (error) {
    if (error instanceof OpenClawError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'expected an error' });
};

test('writes what JSON cannot', () => {
  assert.equal(toJson(undefined), 'null');
  assert.equal(
    toJson(() => {}),
    'null',
  );
  assert.equal(toJson({ a: 10n ** 20n, b: [1n] }), '{"a":"100000000000000000000","b":["1"]}');
  assert.equal(toJson(new Date(0)), '"1970-01-01T00:00:00.000Z"');
  assert.equal(toJson({ at: new Date(Number.NaN), n: Number.NaN }), '{"at":null,"n":null}');
  assert.equal(toJson({ e: new TypeError('bad', { cause: 'x' }) }), '{"e":{"name":"TypeError","message":"bad"}}');
  assert.equal(toJson({ a: undefined, b: [undefined] }), '{"b":[null]}');
});

test('drops U+0000 and mends lone surrogates, in keys too, and touches no backslash', () => {
  assert.equal(toJson({ 'a\u0000b': 'c\u0000\u0000d' }), '{"ab":"cd"}');
  assert.equal(toJson({ '\ud800x': 'y\udfff' }), '{"\ufffdx":"y\ufffd"}');
  assert.equal(toJson('\\u0000 \\\u0000 \\\\u0000 \\ud800'), JSON.stringify('\\u0000 \\ \\\\u0000 \\ud800'));
  assert.equal(toJson('😀 \u0001'), '"😀 \\u0001"');
});

test('names the path of a cycle', () => {
  const loop: Record<string, unknown> = { list: [1, { 'odd name': {} }] };
  ((loop.list as Record<string, unknown>[])[1]!['odd name'] as Record<string, unknown>).back = loop;
  const error = errorOf(() => toJson({ top: loop }));
  assert.equal(error.code, 'E_NOT_JSON');
  assert.match(error.message, /\$\.top\.list\[1\]\["odd name"\]\.back$/);
  const shared = { a: 1 };
  assert.equal(toJson([shared, shared]), '[{"a":1},{"a":1}]');
});

test('refuses what is too deep or fails by itself', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.equal(errorOf(() => toJson(deep)).code, 'E_NOT_JSON');
  const own = {
    toJSON: () => {
      throw new Error('broken on purpose');
    },
  };
  assert.match(errorOf(() => toJson(own)).message, /broken on purpose/);
});

test('is what JSON.stringify says of clean data, and never holds what jsonb refuses', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      assert.equal(toJson(value), JSON.stringify(value).replaceAll('\\u0000', '')),
    ),
  );
  const any = fc.string({
    unit: fc.constantFrom('\u0000', '\\', 'u', '0', 'd', '8', '"', '\ud800', '\udc00', 'é', '\n'),
  });
  fc.assert(
    fc.property(any, any, (key, text) => {
      const back = JSON.parse(toJson({ [`k${key}`]: text }));
      const clean = (string: string) => string.toWellFormed().replaceAll('\u0000', '');
      const [[backKey, backText]] = Object.entries(back) as [[string, string]];
      assert.equal(backKey, clean(`k${key}`));
      assert.equal(backText, clean(text));
      assert.ok(backText.isWellFormed() && !backText.includes('\u0000'));
    }),
    { numRuns: 1000 },
  );
});

test('scrubs every string, every key, and what is named as a secret', () => {
  addSecrets(['json-canary-1']);
  const given = {
    list: ['a json-canary-1 b', { 'key json-canary-1': 1 }],
    Password: 'hunter22',
    apiKey: 'zzz',
    nextPageToken: 'kept',
    error: new Error('at postgres://u:hunter22@h/d'),
    n: 5,
    none: null,
  };
  assert.deepEqual(scrubJson(given), {
    list: ['a [redacted] b', { 'key [redacted]': 1 }],
    Password: '[redacted]',
    apiKey: '[redacted]',
    nextPageToken: 'kept',
    error: { name: 'Error', message: 'at postgres://u:[redacted]@h/d' },
    n: 5,
    none: null,
  });
  assert.equal(given.list[0], 'a json-canary-1 b');
  assert.equal(Object.getPrototypeOf(scrubJson(JSON.parse('{"__proto__":{"x":1}}'))), Object.prototype);
});

test('the short way of scrubbing gives what the long way gives', () => {
  addSecrets(['json-canary-2', '4711471147']);
  const piece = fc.constantFrom(
    ...[
      'json-canary-2',
      '4711471147',
      '4',
      'password',
      'api_key',
      'token',
      '=',
      ':',
      ' ',
      'Bearer ',
      'sk-',
      'a1B2c3D4e5F6g7H8',
    ],
    ...[
      '"',
      "'",
      '\\',
      '\n',
      '{',
      '}',
      ',',
      '$',
      'postgres://u:',
      '@h',
      '://',
      'ghp_',
      'é',
      '1234567:',
      'x'.repeat(30),
    ],
  );
  const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
  const leaf = fc.oneof(
    text,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(4711471147),
    fc.bigInt(),
    fc.double(),
  );
  const value = fc.oneof(
    leaf,
    fc.dictionary(text, leaf, { maxKeys: 4 }),
    fc.array(fc.dictionary(text, leaf, { maxKeys: 2 }), { maxLength: 3 }),
  );
  let short = 0;
  fc.assert(
    fc.property(value, (given) => {
      const told = scrubbedJson(given);
      assert.equal(told, toJson(scrubJson(given)));
      if (told === toJson(given)) short++;
    }),
    { numRuns: 5000 },
  );
  assert.ok(short > 100 && short < 4900, `${short} of 5000 had nothing to scrub`);
  assert.equal(
    scrubbedJson({ deep: [{ deeper: [{ password: 'hunter22' }] }] }),
    '{"deep":[{"deeper":[{"password":"[redacted]"}]}]}',
  );
  assert.equal(scrubbedJson(undefined), 'null');
});

test.run();
