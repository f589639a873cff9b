import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { suite } from '../harness/suite.ts';

const test = suite('the code as a whole', { timeoutMs: 120_000 });

function run(program: string, ...args: string[]): void {
  const result = spawnSync(path.join(CODE_ROOT, program), args, { cwd: CODE_ROOT, encoding: 'utf8' });
  assert.is(result.status, 0, `${program} ${args.join(' ')}\n${result.stdout}${result.stderr}`);
}

test('it has its types, with the payloads of the tasks', () => {
  run('bin/openclaw', 'types');
  run('node_modules/.bin/tsc', '--noEmit', '-p', '.');
});

test('it is formatted and lint-free', () => run('node_modules/.bin/biome', 'check', '--reporter=summary', '.'));

test('versions are exact, and the lockfile names no host', () => {
  const manifest = JSON.parse(readFileSync(path.join(CODE_ROOT, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  const versions = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((group) =>
    Object.entries(manifest[group] ?? {}),
  );
  assert.ok(versions.length > 10);
  assert.equal(
    versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  );
  const lockfile = readFileSync(path.join(CODE_ROOT, 'package-lock.json'), 'utf8');
  assert.not.match(lockfile, /"resolved"/);
  // `npm ci` refuses a lockfile that lacks an optional package, and `npm install` leaves out those that its registry lacks.
  const packages = (
    JSON.parse(lockfile) as { packages: Record<string, { optionalDependencies?: Record<string, string> }> }
  ).packages;
  const optional = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  assert.equal(
    optional.filter((name) => !packages[`node_modules/${name}`]),
    [],
  );
});

test.run();
