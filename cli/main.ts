import { runCommandLine } from './commandLine.ts';

const ended = await runCommandLine(process.argv.slice(2));
// Whatever a failed start has left open (pools, a channel to the parent) must not keep the process.
if (!ended) setTimeout(() => process.exit(), 500).unref();
