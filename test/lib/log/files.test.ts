import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { createLogger, subjectLog } from '../../../lib/log/index.ts';
import { followLogs, lastLines } from '../../../lib/log/readLogs.ts';
import { deleteOldLogs, rotatedFiles, rotatingFile } from '../../../lib/log/rotatingFile.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';
import { eventually } from '../../harness/workers.ts';

const test = suite('log files', { timeoutMs: 60_000 });

test('several processes write to one file through its rotations, and no line is lost or cut', async () => {
  const { home } = temporaryHome();
  const file = path.join(home, 'logs', 'shared.log');
  const writer = `
    import { rotatingFile } from ${JSON.stringify(path.resolve('lib/log/rotatingFile.ts'))};
    const out = rotatingFile(process.argv[1], { maxBytes: 20_000, maxAgeMs: 1e9, keep: 1000 });
    for (let n = 0; n < 2000; n++) {
      out.write(JSON.stringify({ by: process.argv[2], n, pad: 'x'.repeat(40) }) + '\\n');
      if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }`;
  const ends = ['a', 'b', 'c'].map(
    (name) =>
      new Promise<number | null>((resolve) => {
        spawn(
          process.execPath,
          ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', writer, file, name],
          { stdio: 'inherit' },
        ).once('exit', resolve);
      }),
  );
  assert.equal(await Promise.all(ends), [0, 0, 0]);
  const files = [...rotatedFiles(file), file];
  assert.ok(files.length > 5, `${files.length} files`);
  const lines = files
    .flatMap((each) => readFileSync(each, 'utf8').split('\n').filter(Boolean))
    .map((line) => JSON.parse(line) as { by: string; n: number });
  assert.is(lines.length, 6000);
  assert.is(new Set(lines.map(({ by, n }) => `${by}${n}`)).size, 6000);
});

test('a file that was begun too long ago is rotated, and old ones go by age', () => {
  const { home } = temporaryHome();
  const file = path.join(home, 'old.log');
  rotatingFile(file, { maxBytes: 1e9, maxAgeMs: 1e9, keep: 9 }).write('yesterday\n');
  const out = rotatingFile(file, { maxBytes: 1e9, maxAgeMs: -1, keep: 9 });
  out.write('today\n');
  assert.is(readFileSync(file, 'utf8'), 'today\n');
  const [rotated] = rotatedFiles(file);
  assert.is(readFileSync(rotated!, 'utf8'), 'yesterday\n');
  assert.is(deleteOldLogs(home, new Date(Date.now() - 1000)), 0);
  utimesSync(rotated!, 1, 1);
  assert.is(deleteOldLogs(home, new Date(Date.now() - 1000)), 1);
  assert.equal(readdirSync(home), ['old.log']);
});

test("a subject's lines are in its file and in the process's log, with their trace, scrubbed", () => {
  const { home, layout } = temporaryHome();
  const config = loadConfig({ env: { OPENCLAW_HOME: home, XAI_API_KEY: 'canary-in-a-log-file' } });
  const lines: string[] = [];
  const log = createLogger({ name: 'worker', destination: { write: (line) => lines.push(line) } });
  subjectLog(config, 'backup', log)
    .child({ trace: 't-1' })
    .info({ err: new Error('no canary-in-a-log-file here') }, 'backup verified');
  subjectLog(config, 'telegram', log).warn('quiet');
  assert.is(lines.length, 2);
  assert.not.match(lines.join('') + readFileSync(path.join(layout.logs, 'backup.log'), 'utf8'), /canary/);
  const found = lastLines(layout.logs, { trace: 't-1' }, 10);
  assert.equal(
    found.map((line) => [line.file, line.level, line.message]),
    [['backup', 'info', 'backup verified']],
  );
  assert.equal(
    lastLines(layout.logs, { level: 'warn' }, 10).map((line) => line.file),
    ['telegram'],
  );
});

test('a file that cannot be written to stops nobody; one file is opened once', () => {
  const { home, layout } = temporaryHome();
  const config = loadConfig({ env: { OPENCLAW_HOME: home } });
  writeFileSync(layout.logs, 'a file where the folder should be');
  const lines: string[] = [];
  const log = createLogger({ name: 'worker', destination: { write: (line) => lines.push(line) } });
  subjectLog(config, 'backup', log).info('told anyway');
  assert.equal(
    lines.map((line) => JSON.parse(line).msg),
    ['this file cannot be written to; its lines are only here', 'told anyway'],
  );
  const { home: other } = temporaryHome();
  const second = loadConfig({ env: { OPENCLAW_HOME: other } });
  const descriptors = () => readdirSync('/proc/self/fd').length;
  subjectLog(second, 'telegram', log).info('once');
  const before = descriptors();
  for (let n = 0; n < 20; n++) subjectLog(second, 'telegram', log).info('again');
  assert.is(descriptors(), before);
});

test('lines to come are followed through a rotation; what is no JSON harms nobody', async () => {
  const { home } = temporaryHome();
  const folder = path.join(home, 'logs');
  mkdirSync(folder);
  const file = path.join(folder, 'openclaw.log');
  writeFileSync(file, 'a crash, no JSON\n{"time":"1","level":"info","msg":"old"}\n');
  const stop = new AbortController();
  const seen: string[] = [];
  const following = followLogs(folder, {}, (line) => seen.push(line.message), stop.signal);
  appendFileSync(file, '{"time":"2","level":"info","msg":"one"}\n');
  await eventually(async () => seen.length === 1, 'the first line');
  appendFileSync(file, '{"time":"3","level":"info","msg":"two"}\n');
  const out = rotatingFile(file, { maxBytes: 1, maxAgeMs: 1e9, keep: 9 });
  out.write('{"time":"4","level":"info","msg":"three"}\n');
  await eventually(async () => seen.length === 3, 'the lines around the rotation');
  stop.abort();
  await following;
  assert.equal(seen, ['one', 'two', 'three']);
});

test.run();
