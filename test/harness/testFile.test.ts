import * as assert from 'uvu/assert';
import { suite } from './suite.ts';
import { judge } from './testFile.ts';

const test = suite('harness: what a test file reported');
const summary = (total: number, passed: number, skipped: number) =>
  `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.20ms\n\n`;

test('passed, failed and skipped are counted', () => {
  assert.equal(judge(summary(5, 5, 1), null), { passed: 5, failed: 0, skipped: 1, fault: null });
  assert.equal(judge(summary(5, 3, 0), 'exited with 1'), { passed: 3, failed: 2, skipped: 0, fault: null });
  assert.equal(judge(summary(0, 0, 2), null), { passed: 0, failed: 0, skipped: 2, fault: null });
});

test('silence, a crash and a time-out are failures', () => {
  assert.equal(judge('', null), { passed: 0, failed: 1, skipped: 0, fault: 'reports no tests' });
  assert.equal(judge('x', 'exited with 1'), { passed: 0, failed: 1, skipped: 0, fault: 'exited with 1' });
  assert.equal(judge(summary(5, 5, 0), 'timed out after 180 s'), {
    passed: 5,
    failed: 1,
    skipped: 0,
    fault: 'timed out after 180 s',
  });
});

test.run();
