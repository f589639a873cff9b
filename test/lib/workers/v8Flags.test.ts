import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../../lib/config/index.ts';
import { workerFlags } from '../../../lib/workers/v8Flags.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('what V8 is told of a worker');

test('the launcher, which cannot read it here, says the same', () => {
  const launcher = readFileSync(path.join(CODE_ROOT, 'bin/openclaw'), 'utf8');
  const [young, heap] = workerFlags('');
  assert.match(launcher, new RegExp(`worker\\) exec [^\\n]* ${young} `));
  assert.match(launcher, `heap=${heap}\n`);
});

test('a limit of the operator stands above it', () => {
  assert.equal(workerFlags('--max-old-space-size=2048'), workerFlags('').slice(0, 1));
});

test.run();
