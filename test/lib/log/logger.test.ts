import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { loadConfig } from '../../../lib/config/index.ts';
import { KEY_NAMES, notesOf } from '../../../lib/config/schema.ts';
import { OpenClawError } from '../../../lib/errors/index.ts';
import { graphileLogger } from '../../../lib/log/graphileLogger.ts';
import { createLogger, type Logger, type LogLevel, scrub, scrubJson, toJson } from '../../../lib/log/index.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('logger');

function gather(level: LogLevel = 'debug') {
  let text = '';
  const destination = {
    write(line: string) {
      text += line;
    },
  };
  return {
    log: createLogger({ name: 'test', level, destination }),
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}

/** One value for each secret key, none like another, in the form that the key demands. */
function canaries(): Record<string, string> {
  const forms: Record<string, (name: string) => string> = {
    DATABASE_URL: (name) => `postgres://app:${name}%2Fpw%C3%A9@db.example/app`,
    DATABASE_ADMIN_URL: (name) => `postgresql://root:${name}@db.example/app?sslpassword=${name}-ssl`,
    REDIS_URL: (name) => `redis://:${name}@cache.example:6379/0`,
    TELEGRAM_BOT_TOKEN: (name) => `987654321:${name}`,
    TELEGRAM_WEBHOOK_SECRET: (name) => name.padEnd(40, '_'),
    GMAIL_APP_PASSWORD: () => 'qwerasdf zxcvtgbn yhnm'.slice(0, 19),
    HEALTHCHECK_PING_URL: (name) => `https://hc.example/ping/${name}`,
    // What breaks naive spellings: quotes, backslash, percent, plus, slash.
    MINIMAX_API_KEY: (name) => `${name}"\\%+/&='<>`,
  };
  return Object.fromEntries(
    KEY_NAMES.filter((key) => notesOf(key).secret).map((key) => {
      const name = `canary-${key.toLowerCase().replaceAll('_', '-')}-7f`;
      return [key, forms[key]?.(name) ?? name];
    }),
  );
}

test('no secret of the configuration is in a log line, wherever it was', () => {
  const env = {
    ...canaries(),
    GMAIL_ADDRESS: 'a@b.example',
    GOOGLE_DRIVE_CLIENT_ID: 'client-of-drive',
    TELEGRAM_WEBHOOK_URL: 'https://hook.example/telegram',
  };
  const { secrets } = loadConfig({ env, home: '/nowhere' });
  const secretKeys = KEY_NAMES.filter((key) => notesOf(key).secret);
  for (const key of secretKeys)
    assert.ok(
      secrets.some(({ name }) => name.startsWith(key)),
      key,
    );

  const { log, text, lines } = gather();
  const graphile = graphileLogger(log);
  const outputs: string[] = [];
  for (const value of [...secrets.map((secret) => secret.value), ...Object.values(canaries())]) {
    const error = new Error(`401 for ${value}`, {
      cause: new OpenClawError('E_X', `inner\n${value}`, { faults: [value] }),
    });
    log.info(value);
    log.warn({ value, [`key ${value}`]: 1, deep: { a: [{ b: { c: [value, `x${value}y`] } }] } }, `message ${value}`);
    log.error(error);
    log.error({ err: error, failure: error, nested: { list: [new AggregateError([error], value)] } }, 'failed');
    log.error(new AggregateError([error], 'several'));
    log.child({ session: value, headers: { authorization: `Bearer ${value}` } }).debug('child');
    log.info(
      { url: `https://api.example/v1?q=${encodeURIComponent(value)}&u=${encodeURI(value)}` },
      new URL(`https://x.example/${encodeURIComponent(value)}`).href,
    );
    log.info({ body: JSON.stringify({ request: JSON.stringify({ headers: { 'x-key': value } }) }) }, 'request');
    log.info({
      authorization: `Basic ${Buffer.from(`user:${value}`).toString('base64')}`,
      raw: Buffer.from(value).toString('base64'),
    });
    log.info({ form: new URLSearchParams({ value }).toString() });
    graphile.error(`Failed task 1 (x, 1ms) with error '${value}':\n  ${error.stack}`, {
      failure: true,
      error,
      job: { id: '1', payload: value },
    });
    graphile
      .scope({ label: value } as never)
      .info(`option ${value}`, { note: value, options: { connectionString: value } });
    outputs.push(scrub(`${value} ${error.stack}`), toJson(scrubJson({ [value]: [value, error] })));
  }
  const all = text() + outputs.join('\n');
  assert.ok(lines().length > 100);
  for (const { name, value } of secrets) {
    const spellings = [
      value,
      encodeURIComponent(value),
      encodeURI(value),
      JSON.stringify(value).slice(1, -1),
      Buffer.from(value).toString('base64').replace(/=+$/, '').slice(0, -1),
    ];
    for (const spelling of spellings) assert.ok(!all.includes(spelling), `${name}: ${spelling}`);
  }
  // Parsed, so that no escape hides one.
  const parsed = lines()
    .map((line) => JSON.stringify(line, null, 1).replaceAll('\\\\', '\\').replaceAll('\\"', '"'))
    .join('\n');
  assert.ok(
    !/canary|qwerasdf/.test(parsed.replace(/canary-key-kept/g, '')),
    /.{60}(canary|qwerasdf).{60}/.exec(parsed)?.[0],
  );
});

test('a line has its level, time, name and fields', () => {
  const { log, lines } = gather();
  log.child({ pool: 'missions' }).info({ job: 5 }, 'started');
  const [line] = lines();
  assert.equal(line.level, 'info');
  assert.equal(line.name, 'test');
  assert.equal(line.pool, 'missions');
  assert.equal(line.job, 5);
  assert.equal(line.msg, 'started');
  assert.ok(Math.abs(Date.parse(line.time) - Date.now()) < 10_000);
});

test('an error is written with its code, faults and causes, under any name', () => {
  const { log, lines } = gather();
  const cause = new OpenClawError('E_INNER', 'inner', { faults: ['one'] });
  const error = new Error('outer', { cause });
  log.error({ why: error }, 'it failed');
  log.error(error);
  log.error(new AggregateError([cause], 'several'));
  const [first, second, third] = lines();
  assert.equal(first.why.message, 'outer');
  assert.match(first.why.stack, /logger\.test/);
  assert.deepEqual([first.why.cause.code, first.why.cause.faults], ['E_INNER', ['one']]);
  assert.equal(second.err.message, 'outer');
  assert.equal(second.msg, 'outer');
  assert.equal(third.err.errors[0].code, 'E_INNER');
  const ring = new Error('ring');
  ring.cause = ring;
  log.error(ring);
  assert.equal(lines().length, 4);
});

test('levels below the given one are dropped', () => {
  const { log, lines } = gather('warn');
  log.debug('no');
  log.info('no');
  log.warn('yes');
  assert.deepEqual(
    lines().map(({ msg }) => msg),
    ['yes'],
  );
});

test('a pino logger is a Logger', () => {
  const log: Logger = pino({ level: 'silent' });
  log.child({ a: 1 }).info({ b: 2 }, 'x');
});

test('a log file is 0600 in a folder of 0700, also when it was open before, and is appended to', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'openclaw-log-'));
  try {
    const file = path.join(folder, 'logs', 'worker.log');
    createLogger({ name: 'a', destination: file }).info('first');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(path.dirname(file)).mode & 0o777, 0o700);
    chmodSync(file, 0o644);
    createLogger({ name: 'b', destination: file }).info({ password: 'hunter22' }, 'second');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['first', 'second'],
    );
    assert.equal(lines[1].password, '[redacted]');
    writeFileSync(path.join(folder, 'plain'), '');
    assert.throws(
      () => createLogger({ name: 'c', destination: path.join(folder, 'plain', 'x.log') }),
      /ENOTDIR|EEXIST/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("of graphile-worker's log, successes are dropped and jobs are named without their payload", () => {
  const { log, lines } = gather();
  const worker = graphileLogger(log).scope({ label: 'worker', taskIdentifier: 'web_search' });
  const job = { id: '7', task_identifier: 'web_search', attempts: 1, max_attempts: 3, payload: { big: 'payload' } };
  worker.info('Completed task 7 (web_search, 1.00ms) with success', { job, duration: 1, success: true });
  worker.error("Failed task 7 with error 'x':\n  Error: x\n at y", {
    failure: true,
    job,
    error: new Error('x'),
    duration: 2,
  });
  worker.warn('careful', { max: 1, options: { huge: true } });
  worker.debug('detail');
  const [failed, warned, detail] = lines();
  assert.equal(lines().length, 3);
  assert.equal(failed.level, 'error');
  assert.equal(failed.msg, "Failed task 7 with error 'x':");
  assert.deepEqual(
    [failed.label, failed.job_id, failed.task, failed.attempts, failed.duration],
    ['worker', '7', 'web_search', 1, 2],
  );
  assert.equal(failed.err.message, 'x');
  assert.ok(!JSON.stringify(failed).includes('payload'));
  assert.deepEqual([warned.level, warned.max, warned.options], ['warn', 1, undefined]);
  assert.equal(detail.level, 'debug');
});

test.run();
