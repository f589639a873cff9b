import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { suite } from '../harness/suite.ts';

const test = suite('a process that stays, on a disk that is full');

const SCRIPT = `
  const { outliveFullDisk } = await import('./cli/fullDisk.ts');
  if (process.argv[1] === 'outlive') outliveFullDisk();
  process.stdout.write('lost');
  setTimeout(() => { process.stdout.write('lost as well'); process.exitCode = 7; }, 50);
`;

/** @returns the exit code of a process that writes to a device on which there is never room. */
async function speakToFullDevice(how: string): Promise<number | null> {
  const full = openSync('/dev/full', 'w');
  try {
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', SCRIPT, how];
    const child = spawn(path.join(CODE_ROOT, 'bin/openclaw-node'), args, {
      cwd: CODE_ROOT,
      stdio: ['ignore', full, full],
    });
    return await new Promise((resolve) => child.once('exit', resolve));
  } finally {
    closeSync(full);
  }
}

if (process.platform === 'linux')
  test('what it says is lost, and it goes on; without the precaution it would end', async () => {
    assert.equal(await Promise.all([speakToFullDevice('outlive'), speakToFullDevice('not')]), [7, 1]);
  });

test.run();
