/**
 * What V8 is told of a process that runs jobs, as bin/openclaw tells it: it is idle most of the time, and a large young space would
 * only grow. Its limit of the heap, gigabytes by default, is also what it goes by when it puts off its collections: with this one a
 * worker that drains a full queue stays below 140 MB instead of growing to 185 (`npm run bench -- --only missions --missions 2500`). `NODE_OPTIONS=--max-old-space-size=` stands above it.
 */
export function workerFlags(nodeOptions = process.env.NODE_OPTIONS ?? ''): string[] {
  const limit = nodeOptions.includes('max-old-space-size') ? [] : ['--max-old-space-size=512'];
  return ['--max-semi-space-size=8', ...limit];
}
