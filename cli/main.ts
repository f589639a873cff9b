import { runCommandLine, STAYS } from './commandLine.ts';
import { outliveFullDisk } from './fullDisk.ts';

const words = process.argv.slice(2);
// The screen (`dash`) has an answer of its own to an output that is gone.
if (STAYS.includes(words[0] ?? '') && words[0] !== 'dash') outliveFullDisk();
const ended = await runCommandLine(words);
// Whatever a failed start has left open (pools, a channel to the parent) must not keep the process.
if (!ended) setTimeout(() => process.exit(), 500).unref();
