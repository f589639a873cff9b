import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { JobAborted, Run, timeLimit } from '../../../lib/queue/run.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('one attempt of a job, and its end by force');
const cancelled = () => new JobAborted('cancelled', 'cancelled on request');

test('a signal that nobody looked at before the abort is aborted, with its reason', () => {
  const run = new Run('1', 'noop');
  const reason = cancelled();
  run.abort(reason);
  assert.is(run.signal.aborted, true);
  assert.is(run.signal.reason, reason);
});

test('a signal that was looked at is the one that aborts, once', () => {
  const run = new Run('1', 'noop');
  const { signal } = run;
  let aborts = 0;
  signal.addEventListener('abort', () => aborts++);
  const reason = cancelled();
  run.abort(reason);
  run.abort(new JobAborted('stopping', 'the worker is stopping'));
  assert.equal([run.signal === signal, aborts, run.reason === reason], [true, 1, true]);
});

test('the limit counts from the start, and an ended run has none', async () => {
  const limitSoon = timeLimit(60);
  const [slow, quick] = [new Run('1', 'noop'), new Run('2', 'noop')];
  limitSoon(slow);
  limitSoon(quick);
  // Work that does not let go of the thread counts too.
  const until = performance.now() + 50;
  while (performance.now() < until);
  quick.end();
  await sleep(40);
  assert.is(slow.reason?.why, 'timeout');
  assert.is(slow.reason?.message, 'timed out after 60 ms');
  assert.is(quick.reason, undefined);
  slow.end();
});

test('work that follows its signal ends by itself; what it throws is passed on', async () => {
  const run = new Run('1', 'noop');
  const work = new Promise<never>((_resolve, reject) => {
    run.signal.addEventListener('abort', () => reject(new Error('stopped as asked')));
  });
  const settled = run.untilAborted(work).catch((error: Error) => error.message);
  run.abort(cancelled());
  assert.is(await settled, 'stopped as asked');
  run.end();
});

test('a function that is no promise of its own is as good', async () => {
  const run = new Run('1', 'noop');
  assert.is(await run.untilAborted(7 as unknown as Promise<number>), 7);
  run.end();
});

test.run();
