import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addSecrets, scrub, scrubJsonText } from '../../../lib/log/secrets.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('scrub', { timeoutMs: 60_000 });

const A = 'Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z';
const BODY = `MIIEvQIBADANBgkqh${A}\n${A}`;
const BEGIN = (kind: string) => `-----BEGIN ${kind}PRIVATE KEY-----`;

/** Built from parts: a whole one in a file would be found by those who scan repositories for keys. */
const SHAPES: Record<string, readonly [text: string, secret: string]> = {
  'a Telegram token': [`failed: https://api.telegram.org/bot123456789:${A}/getMe`, A],
  'an OpenAI-like key': [`Incorrect API key provided: sk-${A}.`, A],
  'an OpenRouter key': [`sk-or-v1-${A}`, A],
  'a Perplexity key': [`(pplx-${A})`, A],
  'an xAI key': [`xai-${A}`, A],
  'a Google access token': [`ya29.${A}`, A],
  'a Google refresh token': [`got 1//0${A}`, A],
  'a Google API key': [`AIza${A}abc`, A],
  'a GitHub token': [`ghp_${A}`, A],
  'a fine-grained GitHub token': [`github_pat_${A}`, A],
  'an AWS key id': ['AKIA' + 'IOSFODNN7EXAMPLE', 'IOSFODNN7EXAMPLE'],
  'a Postgres URL': ['connect postgres://app:hunter22@db:5432/x failed', 'hunter22'],
  'a Postgres URL with an @ in the password': ['postgresql://app:hun@ter22@db/x', 'ter22'],
  'a Redis URL without user': ['redis://:hunter22@127.0.0.1:6379', 'hunter22'],
  'a web URL with a password': ['https://me:hunter22@git.example/x.git', 'hunter22'],
  Bearer: [`authorization: Bearer ${A}`, A],
  'bearer alone': [`sent bearer ${A}!`, A],
  Basic: ['Authorization: Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
  'password=': ['connect host=x password=hunter22 user=y', 'hunter22'],
  'PGPASSWORD=': ['PGPASSWORD=hunter22 psql', 'hunter22'],
  'a quoted password': ['password="hunter 22 with blanks"', 'with blanks'],
  'a password in JSON': ['{"user":"x","password":"hunter22 \\" more","n":1}', 'more'],
  'a password in JSON in JSON': ['{"body":"{\\"password\\":\\"hunter 22\\"}"}', '22'],
  'a password in an inspected object': ["{ user: 'x', password: 'hunter 22' }", '22'],
  'a header in JSON': [`{"x-api-key":"zyx${A}"}`, A],
  'token: value': ['token: a1b2c3d4', 'a1b2c3d4'],
  'a secret in a query': ['GET /x?a=1&api_key=hunter22&b=2', 'hunter22'],
  'key in a query': ['GET /x?key=hunter22', 'hunter22'],
  'alter role': ["alter role app with login password 'hunter 22'", '22'],
  'a private key': [`${BEGIN('')}\n${BODY}\n-----END PRIVATE KEY-----`, A],
  'an OpenSSH key in JSON': [
    JSON.stringify({ key: `${BEGIN('OPENSSH ')}\n${BODY}\n-----END OPENSSH PRIVATE KEY-----\n` }),
    A,
  ],
  'a private key that is cut off': [`${BEGIN('RSA ')}\n${BODY}`, A],
  'a JSON web token': [`eyJhbGciOiJIUzI1NiJ9.eyJzdWIi${A}.${A}`, A],
  'an age identity': [`AGE-SECRET-KEY-1${A.toUpperCase()}`, A.toUpperCase()],
  'a Slack token': [`xoxb-${A}`, A],
};

for (const [what, [text, secret]] of Object.entries(SHAPES)) {
  test(`takes out ${what}`, () => {
    assert.ok(text.includes(secret));
    for (const scrubbed of [
      scrub(text),
      scrub(`two lines\n${text}`),
      scrubJsonText(JSON.stringify({ msg: `x:\n${text}` })),
      scrubJsonText(JSON.stringify([`\t${text}`])),
    ]) {
      assert.ok(!scrubbed.includes(secret), scrubbed);
      assert.ok(scrubbed.includes('[redacted]'), scrubbed);
    }
  });
}

test('takes out a password with quotes in JSON in JSON', () => {
  const text = JSON.stringify({ body: JSON.stringify({ password: 'hunter "22" more\\', next: 'stays' }) });
  for (const scrubbed of [scrub(text), scrubJsonText(text)]) {
    assert.deepEqual(JSON.parse(JSON.parse(scrubbed).body), { password: '[redacted]', next: 'stays' });
  }
});

test('leaves what is ordinary as it is', () => {
  for (const text of [
    'Completed task 104 (web_search, 12.34ms) with success',
    'a task-runner-with-a-very-long-name-indeed and disk-space-monitoring-service-name',
    '{"prompt_tokens":1234,"total_tokens":5678,"max_tokens":100}',
    'PWD=/opt/openclaw/app',
    'basic authentication is not used; bearer of news',
    'E_CONFIG: TELEGRAM_BOT_TOKEN: expected a token from @BotFather',
    'https://example.com/a/b?page=2&sort=key',
    'postgres://localhost:5432/openclaw',
    '2026-11-22T16:26:15.494Z m12 j104 12:34:56',
    'commit 3f2a9c1d7e8b4a6f0c5d2e1b9a8f7c6d5e4b3a2f',
    '{"id":"resp_5","password":null,"token":true,"secret":{"a":1}}',
    'no password given, token missing',
  ]) {
    assert.equal(scrub(text), text);
    assert.equal(scrubJsonText(JSON.stringify(text)), JSON.stringify(text));
  }
});

test('keeps what is around a secret', () => {
  assert.equal(scrub('postgres://app:hunter22@db:5432/x'), 'postgres://app:[redacted]@db:5432/x');
  assert.equal(scrub('a password=hunter22 b'), 'a password=[redacted] b');
  assert.equal(scrub('Authorization: Bearer abc123def456 x'), 'Authorization: Bearer [redacted] x');
});

test('takes out a known value in each of its spellings', () => {
  const secret = 'kn/own "sécret"\\+&\n42';
  addSecrets([secret]);
  const json = JSON.stringify(secret).slice(1, -1);
  const base64 = Buffer.from(secret).toString('base64');
  for (const spelling of [
    secret,
    json,
    JSON.stringify(json).slice(1, -1),
    encodeURIComponent(secret),
    encodeURIComponent(secret).toLowerCase(),
    encodeURI(secret),
    new URLSearchParams([['x', secret]]).toString().slice(2),
    base64.replace(/=+$/, '').slice(0, -1),
    Buffer.from(secret).toString('base64url').slice(0, -1),
  ]) {
    const text = `before ${spelling} after`;
    assert.ok(!scrub(text).includes(spelling), spelling);
    const line = scrubJsonText(JSON.stringify({ [text]: [text] }));
    assert.ok(!JSON.stringify(JSON.parse(line)).includes(JSON.stringify(spelling).slice(1, -1)), spelling);
  }
  for (const user of ['a', 'ab', 'abc', 'abcd']) {
    const basic = Buffer.from(`${user}:${secret}!`).toString('base64');
    assert.ok(scrub(`x ${basic} y`).includes('[redacted]'), user);
  }
});

test('ignores values under 6 characters', () => {
  addSecrets(['tiny5', '', '12345']);
  assert.equal(scrub('tiny5 12345'), 'tiny5 12345');
});

test('finds a number that is a secret, but not within a longer number', () => {
  addSecrets(['736251']);
  assert.equal(scrub('pin 736251, at 1736251000'), 'pin [redacted], at 1736251000');
});

const canary = 'n3w-C4nary/value\\with"all';
addSecrets([canary, 'tail-of-n3w', 'ends-in-backslash\\', 'newlines-first']);

/** Text of the pieces that could trip a pattern up, in any order. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[
          'password',
          'token',
          'secret',
          '"',
          "'",
          '\\',
          ':',
          '=',
          ' ',
          ',',
          '}',
          ']',
          '\n',
          '\t',
          '\u0001',
          '\u001b',
          'Bearer ',
          '@',
          '://',
        ],
        ...[
          'postgres://',
          'a:',
          '123456789:',
          A,
          canary,
          'tail-of-n3w',
          'ends-in-backslash\\',
          'newlines-first',
          '\\"',
          '\ud800',
          '\\u0001',
        ],
        ...['sk-', 'eyJ', '.', `${BEGIN('')}\n`, '-----END PRIVATE KEY-----', '?key=', 'authorization'],
      ),
      fc.string({ maxLength: 5 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

test('JSON text stays valid JSON of the same shape', () => {
  const shape = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shape);
    if (typeof value === 'object' && value !== null) return Object.values(value).map(shape);
    return typeof value === 'string' ? '' : value;
  };
  // Keys are numbered, as two may become one.
  const json = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, nasty, fc.integer(), fc.constant(null), tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc
      .array(fc.tuple(nasty, tie('value')), { maxLength: 4 })
      .map((entries) => Object.fromEntries(entries.map(([key, value], index) => [`${index}${key}`, value]))),
  })).value;
  fc.assert(
    fc.property(json, fc.boolean(), (value, nested) => {
      const given = nested ? JSON.stringify({ msg: JSON.stringify(value) }) : JSON.stringify(value);
      const line = scrubJsonText(`${given}\n`);
      const back = JSON.parse(line);
      assert.deepEqual(shape(back), shape(JSON.parse(given)));
    }),
    { numRuns: 5000 },
  );
});

test('a known secret is never in the result, wherever it was', () => {
  fc.assert(
    fc.property(nasty, nasty, (before, after) => {
      const text = `${before}${canary}${after}`;
      assert.ok(!scrub(text).includes(canary));
      assert.ok(!(JSON.parse(scrubJsonText(JSON.stringify([text])))[0] as string).includes(canary));
    }),
    { numRuns: 3000 },
  );
});

test('what looks like a token and begins inside of an escape hides nothing that follows it', () => {
  const text = `\ud800123456789:Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z${canary}`;
  const line = scrubJsonText(JSON.stringify([text]));
  assert.deepEqual(JSON.parse(line), ['\ud800[redacted]/value\\with"all']);
});

test('scrubbing twice is scrubbing once', () => {
  fc.assert(
    fc.property(nasty, (text) => {
      const once = scrub(text);
      assert.ok(!scrub(once).includes(canary));
      // Text that was cut up may make a new match of its own; nothing comes back.
      assert.ok(scrub(scrub(once)).length <= scrub(once).length + 10);
    }),
  );
});

test('takes time in proportion to the text, whatever the text', () => {
  addSecrets(Array.from({ length: 40 }, (_, index) => `secret-number-${index}-${A}`));
  const pieces = [
    ...[
      'a',
      ' ',
      '1',
      '"',
      '\\',
      '\\"',
      "'",
      '-',
      'eyJ',
      'eyJa.',
      'token',
      'token:',
      'token=',
      'password"',
      'password":"',
      'password":"\\',
      "password='",
    ],
    ...[
      'https://',
      'https://a:',
      'https://a:b',
      'postgres://:',
      'Bearer ',
      'Bearer a',
      'sk-',
      '12345678:',
      '123456789',
      '1//',
      '?key=',
      BEGIN(''),
      `${BEGIN('')}a`,
    ],
    ...[
      '-----BEGIN ',
      '-----BEGIN A',
      'secret-number-',
      'passwordpassword',
      'secret_access_',
      'password ',
      "password '",
      '\\n',
      '\\u0001',
      'authorization:   ',
      'token: bot   ',
      '\n',
    ],
  ];
  const length = 400_000;
  for (const piece of pieces) {
    for (const prefix of ['', 'password="', 'https://a:', 'Bearer ', BEGIN('')]) {
      const text = prefix + piece.repeat(Math.ceil(length / piece.length));
      const started = performance.now();
      scrub(text);
      scrubJsonText(text);
      const took = performance.now() - started;
      // 2.5 µs a character of both passes, on a slow machine; quadratic would be hours.
      assert.ok(took < 2000, `${JSON.stringify(prefix)} ${JSON.stringify(piece)}: ${took} ms`);
    }
  }
});

test('long values in one piece do not exhaust the matcher', () => {
  for (const text of [
    `password="${'x'.repeat(5_000_000)}"`,
    `token=${'x'.repeat(5_000_000)}`,
    `${BEGIN('')}${'x\n'.repeat(2_000_000)}`,
  ]) {
    assert.ok(scrub(text).includes('[redacted]'));
  }
});

test.run();
