import { startDbos } from './dbos.ts';
import { startOurs } from './ours.ts';
import { expectJobs, usage } from './progress.ts';
import type { FromWorker, ToWorker } from './protocol.ts';
import { startRaw } from './raw.ts';

const say = (message: FromWorker) => void process.send!(message);
let stop: () => Promise<void> = async () => {};

process.on('message', async (message: ToWorker) => {
  if (message.kind === 'start') {
    const { side, jobs, postmaster } = message.start;
    expectJobs(jobs, postmaster, () => say({ kind: 'ran' }));
    stop = await { raw: startRaw, ours: startOurs, dbos: startDbos }[side](message.start);
    say({ kind: 'ready' });
  } else if (message.kind === 'usage') {
    say({ kind: 'usage', usage: usage() });
  } else {
    await stop();
    process.disconnect();
  }
});
// Its starter is gone: nobody will stop it.
process.on('disconnect', () => process.exit());
say({ kind: 'loaded' });
