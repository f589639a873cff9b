import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';
import fc from 'fast-check';
import { CODE_ROOT, describeConfig, envExample, loadConfig } from '../../../lib/config/index.ts';
import { KEY_NAMES, notesOf, SCHEMA } from '../../../lib/config/schema.ts';
import { OpenClawError } from '../../../lib/errors/index.ts';
import { scrub } from '../../../lib/log/secrets.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('config');

/** A home for the length of `use`, with `env` as its config/.env. */
function withHome(env: string | undefined, use: (home: string, file: string) => void, mode = 0o600) {
  const home = mkdtempSync(path.join(tmpdir(), 'openclaw-config-'));
  const file = path.join(home, 'config', '.env');
  try {
    mkdirSync(path.dirname(file));
    if (env !== undefined) {
      writeFileSync(file, env);
      chmodSync(file, mode);
    }
    use(home, file);
  } finally {
    rmSync(home, { recursive: true });
  }
}

function errorOf(run: () => unknown): OpenClawError {
  try {
    run();
  } catch (error) {
    if (error instanceof OpenClawError) return error;
    throw error;
  }
  throw new assert.AssertionError({ message: 'expected an error' });
}

test('an empty environment is a whole configuration', () => {
  withHome(undefined, (home) => {
    const config = loadConfig({ env: {}, home });
    assert.equal(config.home, home);
    assert.equal(config.layout.logs, path.join(home, 'logs'));
    assert.equal(config.databaseUrl, undefined);
    assert.equal(config.redisUrl, undefined);
    assert.equal(config.logLevel, 'info');
    assert.deepEqual(config.concurrency, { missions: 8, upkeep: 4 });
    assert.equal(config.drainTimeoutMs, 10_000);
    assert.deepEqual(config.taskDirs, []);
    assert.deepEqual(config.fetchAllow, []);
    assert.deepEqual(config.secrets, []);
    assert.equal(config.services.telegram.baseUrl, 'https://api.telegram.org');
    assert.equal(config.services.telegram.token, undefined);
    assert.deepEqual(config.services.telegram.allowedUserIds, []);
  });
});

test('the home is OPENCLAW_HOME, else ./var of the code', () => {
  assert.equal(loadConfig({ env: { OPENCLAW_HOME: '/nowhere/home/' } }).home, '/nowhere/home');
  assert.equal(loadConfig({ env: { OPENCLAW_HOME: '/nowhere/home' }, home: '/nowhere/other' }).home, '/nowhere/other');
  assert.equal(describeConfig({ env: {}, home: '/nowhere' }).length, KEY_NAMES.length);
});

test('reads each kind of value', () => {
  withHome(undefined, (home) => {
    const config = loadConfig({
      home,
      env: {
        OPENCLAW_TASK_DIRS: '/srv/tasks:/srv/more:/srv/tasks',
        OPENCLAW_FETCH_ALLOW: 'LOCALHOST:8080, 127.1:90,[::1]:3000',
        OPENCLAW_CONCURRENCY_MISSIONS: '2',
        TELEGRAM_ALLOWED_USER_IDS: '12345, 67890',
        TELEGRAM_BASE_URL: 'http://127.0.0.1:9000/',
        GITHUB_BASE_URL: 'file:///srv/git',
        DATABASE_URL: 'postgres://u:p%2Fw-long@/openclaw?host=/run/postgresql',
        REDIS_URL: 'unix:///run/redis.sock',
      },
    });
    assert.deepEqual(config.taskDirs, ['/srv/tasks', '/srv/more']);
    assert.deepEqual(config.fetchAllow, ['localhost:8080', '127.0.0.1:90', '[::1]:3000']);
    assert.equal(config.concurrency.missions, 2);
    assert.deepEqual(config.services.telegram.allowedUserIds, [12345, 67890]);
    assert.equal(config.services.telegram.baseUrl, 'http://127.0.0.1:9000');
    assert.equal(config.services.github.baseUrl, 'file:///srv/git');
    assert.equal(config.redisUrl, 'unix:///run/redis.sock');
  });
});

test('the environment wins over the file; an empty text is none', () => {
  const file = 'OPENCLAW_CONCURRENCY_UPKEEP=7\nOPENCLAW_LOG_LEVEL=warn\nBRAVE_API_KEY=\n';
  withHome(file, (home) => {
    const env = { OPENCLAW_CONCURRENCY_UPKEEP: '9', OPENCLAW_LOG_LEVEL: '' };
    const config = loadConfig({ env, home });
    assert.equal(config.concurrency.upkeep, 9);
    assert.equal(config.logLevel, 'warn');
    assert.equal(config.services.brave.apiKey, undefined);
    const described = Object.fromEntries(describeConfig({ env, home }).map(({ key, source }) => [key, source]));
    assert.equal(described.OPENCLAW_CONCURRENCY_UPKEEP, 'environment');
    assert.equal(described.OPENCLAW_LOG_LEVEL, 'file');
    assert.equal(described.OPENCLAW_CONCURRENCY_MISSIONS, 'default');
    assert.equal(described.BRAVE_API_KEY, 'unset');
  });
});

for (const mode of [0o640, 0o604, 0o660, 0o644, 0o610, 0o602]) {
  test(`refuses a .env with mode ${mode.toString(8)}`, () => {
    withHome(
      'BRAVE_API_KEY=canary-brave-key\n',
      (home, file) => {
        for (const load of [loadConfig, describeConfig]) {
          const error = errorOf(() => load({ env: {}, home }));
          assert.equal(error.code, 'E_ENV_FILE_OPEN');
          assert.equal(error.exitCode, 78);
          assert.equal(error.remedy, `chmod 600 ${file}`);
        }
      },
      mode,
    );
  });
}

test('judges the file that a link leads to', () => {
  withHome('BRAVE_API_KEY=canary-brave-key\n', (home, file) => {
    const other = path.join(home, 'elsewhere');
    writeFileSync(other, '', { mode: 0o644 });
    rmSync(file);
    symlinkSync(other, file);
    assert.equal(errorOf(() => loadConfig({ env: {}, home })).code, 'E_ENV_FILE_OPEN');
  });
});

if (process.getuid?.() === 0) {
  test('refuses a .env of another owner', () => {
    withHome('BRAVE_API_KEY=canary-brave-key\n', (home, file) => {
      chownSync(file, 65_534, 65_534);
      const error = errorOf(() => loadConfig({ env: {}, home }));
      assert.equal(error.code, 'E_ENV_FILE_OPEN');
      assert.match(error.remedy!, /^chown 0 /);
    });
  });
}

test('refuses a folder in the place of .env', () => {
  withHome(undefined, (home, file) => {
    mkdirSync(file, { mode: 0o700 });
    const error = errorOf(() => loadConfig({ env: {}, home }));
    assert.equal(error.code, 'E_ENV_FILE_UNREADABLE');
    assert.equal(error.exitCode, 78);
  });
});

test('names every unknown key at once, with the nearest known one', () => {
  withHome('TELEGRAM_TOKEN=1\nBRAVE_APIKEY=2\nZZZ=3\n', (home) => {
    const error = errorOf(() =>
      loadConfig({ env: { OPENCLAW_LOGLEVEL: 'x', OPENCLAW_TEST_SERVER: 'y', PATH: '/bin', BRAVE_X: '' }, home }),
    );
    assert.equal(error.code, 'E_CONFIG_UNKNOWN_KEY');
    assert.equal(error.exitCode, 78);
    assert.equal(error.faults.length, 4);
    const text = error.format();
    assert.match(text, /BRAVE_APIKEY in .*did you mean BRAVE_API_KEY\?/);
    assert.match(text, /OPENCLAW_LOGLEVEL in the environment: did you mean OPENCLAW_LOG_LEVEL\?/);
    assert.match(text, /ZZZ in [^?]*$/m);
  });
});

test('names every fault at once, and no secret', () => {
  const canary = 'canary with blanks 7';
  withHome(`XAI_API_KEY="${canary}"\nOPENCLAW_LOG_LEVEL=loud\n`, (home) => {
    const error = errorOf(() =>
      loadConfig({
        env: {
          OPENCLAW_CONCURRENCY_MISSIONS: '0',
          DATABASE_URL: 'mysql://u:canary-of-database@h/d',
          OPENCLAW_TASK_DIRS: 'relative',
        },
        home,
      }),
    );
    assert.equal(error.code, 'E_CONFIG');
    assert.equal(error.exitCode, 78);
    const text = error.format();
    for (const part of [
      /XAI_API_KEY \(file\) has a value \(not shown\); expected at least 8/,
      /OPENCLAW_LOG_LEVEL \(file\) is 'loud'; expected one of debug, info/,
      /OPENCLAW_CONCURRENCY_MISSIONS \(environment\) is '0'; expected a whole number from 1 to 256/,
      /DATABASE_URL \(environment\) has a value/,
      /OPENCLAW_TASK_DIRS \(environment\) is 'relative'/,
    ]) {
      assert.match(text, part);
    }
    assert.equal(error.faults.length, 5);
    assert.ok(!text.includes('canary'), text);
    // A secret with a fault is a secret all the same.
    assert.equal(scrub(`x ${canary} y canary-of-database z`), 'x [redacted] y [redacted] z');
  });
});

test('a program that runs as a task may start another openclaw', () => {
  const env = { OPENCLAW_IDEMPOTENCY_KEY: 'k', OPENCLAW_TRACE_ID: 't', OPENCLAW_UNKNOWN: '' };
  assert.equal(loadConfig({ env, home: '/nowhere' }).home, '/nowhere');
});

for (const [given, pattern] of [
  [{ TELEGRAM_WEBHOOK_URL: 'https://x.example/hook' }, /TELEGRAM_WEBHOOK_SECRET is not set/],
  [{ GOOGLE_DRIVE_CLIENT_ID: 'client-id-1' }, /GOOGLE_DRIVE_CLIENT_SECRET not set/],
  [{ GMAIL_ADDRESS: 'a@b.example' }, /GMAIL_APP_PASSWORD not set/],
  [{ TELEGRAM_BASE_URL: 'https://user:pw@api.example' }, /without user, password/],
  [{ TELEGRAM_BASE_URL: 'ftp://api.example' }, /TELEGRAM_BASE_URL/],
  [{ OPENCLAW_DRAIN_TIMEOUT_MS: '1e3' }, /milliseconds/],
  [{ OPENCLAW_FETCH_ALLOW: 'localhost' }, /host:port/],
  [{ OPENCLAW_FETCH_ALLOW: 'http://localhost:80' }, /host:port/],
  [{ TELEGRAM_ALLOWED_USER_IDS: '@someone' }, /user ids/],
  [{ GITHUB_SSH_KEY_PATH: 'id_ed25519' }, /an absolute path/],
] as const) {
  test(`refuses ${JSON.stringify(given)}`, () => {
    const error = errorOf(() => loadConfig({ env: given as Record<string, string>, home: '/nowhere' }));
    assert.equal(error.code, 'E_CONFIG');
    assert.match(error.format(), pattern);
  });
}

for (const [line, pattern] of [
  ['BRAVE_API_KEY: canary-brave-key', /line 2 is not KEY=value/],
  ['BRAVE_API_KEY="canary-brave-key', /line 2: put the value in one pair of quotes/],
  ['BRAVE_API_KEY=canary#brave-key', /line 2: put the value/],
  ['just words', /line 2 is not KEY=value/],
] as const) {
  test(`says that this line would be lost: ${line}`, () => {
    withHome(`# head\n${line}\n`, (home) => {
      const error = errorOf(() => loadConfig({ env: {}, home }));
      assert.equal(error.code, 'E_CONFIG');
      assert.match(error.format(), pattern);
      assert.ok(!error.format().includes('canary'));
    });
  });
}

test('takes comments, blanks, quotes, export, CRLF and a byte order mark', () => {
  const text = '\uFEFF# a comment\r\n\r\nexport BRAVE_API_KEY = "canary # brave"  # why\r\n XAI_API_KEY=canary-xai\r\n';
  withHome(text.replace('canary # brave', 'canary#brave'), (home) => {
    const { services } = loadConfig({ env: {}, home });
    assert.equal(services.brave.apiKey, 'canary#brave');
    assert.equal(services.xai.apiKey, 'canary-xai');
  });
});

test('a line that is not a fault is read as it is written', () => {
  const value = fc.string({ unit: fc.constantFrom(...'abcXYZ09 #"\'`=\\$:/@-_.%&'), minLength: 8, maxLength: 20 });
  withHome('', (home, file) => {
    fc.assert(
      fc.property(value, fc.constantFrom('', '"', "'", '`'), (text, quote) => {
        const written = `${quote}${text}${quote}`.trim();
        writeFileSync(file, `GMAIL_APP_PASSWORD=${written}\nGMAIL_ADDRESS=a@b.example\n`);
        let config: ReturnType<typeof loadConfig>;
        try {
          config = loadConfig({ env: {}, home });
        } catch (error) {
          // Refused is never wrong; read as something else would be.
          assert.equal((error as OpenClawError).code, 'E_CONFIG');
          return;
        }
        // The text may bring quotes of its own.
        const expected = /^(["'`])(.*?)\1/.exec(written)?.[2] ?? written.replace(/\s+#.*$/, '');
        assert.equal(config.services.gmail.appPassword, expected);
        assert.equal(config.services.gmail.address, 'a@b.example');
      }),
      { numRuns: 2000 },
    );
  });
});

test('OPENCLAW_HOME in the file is refused when it names another home', () => {
  withHome('OPENCLAW_HOME=/another\n', (home) => {
    assert.match(errorOf(() => loadConfig({ env: {}, home })).format(), /OPENCLAW_HOME is '\/another'/);
  });
});

test('gathers every secret, with the passwords inside of URLs', () => {
  const config = loadConfig({
    home: '/nowhere',
    env: {
      DATABASE_URL: 'postgres://u:p%40ss-canary@h:5432/d?application_name=a@b',
      DATABASE_ADMIN_URL: 'postgres:///d?host=/run&user=x&password=query-canary',
      REDIS_URL: 'redis://:redis-canary@h:6379/0',
      GMAIL_ADDRESS: 'a@b.example',
      GMAIL_APP_PASSWORD: 'abcd efgh ijkl mnop',
      HEALTHCHECK_PING_URL: 'https://hc.example/0123456789abcdef-canary',
    },
  });
  const values = config.secrets.map(({ value }) => value);
  for (const value of [
    'p%40ss-canary',
    'p@ss-canary',
    'query-canary',
    'redis-canary',
    'abcd efgh ijkl mnop',
    'abcdefghijklmnop',
    'https://hc.example/0123456789abcdef-canary',
    '0123456789abcdef-canary',
  ]) {
    assert.ok(values.includes(value), value);
  }
  assert.ok(!values.some((value) => value.includes('h:5432')));
});

test('a description never holds a value', () => {
  withHome('XAI_API_KEY=canary-xai-key\n', (home) => {
    const text = JSON.stringify(
      describeConfig({ env: { BRAVE_API_KEY: 'canary-brave-key', OPENCLAW_LOG_LEVEL: 'canary' }, home }),
    );
    assert.ok(!text.includes('canary'));
    assert.match(text, /"key":"XAI_API_KEY"[^}]*"set":true,"secret":true,"source":"file"/);
  });
});

test('each key has a group, a description of one line, and a default that passes its own check', () => {
  assert.ok(SCHEMA.safeParse({}).success);
  for (const key of KEY_NAMES) {
    const notes = notesOf(key);
    assert.ok(notes.group && notes.description && !notes.description.includes('\n'), key);
    assert.equal(typeof notes.secret, 'boolean', key);
    if (notes.secret) assert.equal(notes.default, undefined, key);
    if (/(_KEY|_TOKEN|_SECRET|_PASSWORD)$/.test(key)) assert.equal(notes.secret, true, key);
  }
});

test('every service outside has an address of its own; a local model has the one that is given', () => {
  const { services } = loadConfig({ env: {}, home: '/nowhere' });
  for (const [name, service] of Object.entries(services)) {
    if (name !== 'healthcheck' && name !== 'local')
      assert.ok('baseUrl' in service && URL.canParse(service.baseUrl ?? ''), name);
  }
});

test('config/.env.example is in step, has every key and no value', () => {
  const text = readFileSync(path.join(CODE_ROOT, 'config', '.env.example'), 'utf8');
  assert.equal(text, envExample(), 'write it anew: bin/openclaw-node lib/config/example.ts > config/.env.example');
  const parsed = parseEnv(text);
  assert.deepEqual(Object.keys(parsed).sort(), [...KEY_NAMES].sort());
  assert.ok(Object.values(parsed).every((value) => value === ''));
  withHome(text, (home) => assert.equal(loadConfig({ env: {}, home }).logLevel, 'info'));
});

test.run();
