import { existsSync, globSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { messageOf, OpenClawError } from '../lib/errors/index.ts';
import { ensureServers, type Servers } from '../lib/servers/index.ts';
import { SERVERS_HOME } from './harness/servers.ts';
import { temporaryHome } from './harness/temporaryHome.ts';
import { endGroup, type FileResult, runTestFile } from './harness/testFile.ts';

// `npm test [-- filter...]`: every test file, or those whose path contains one of the filters, two at a time. The last line is
// `N passed, N failed`; the exit code is 1 where any failed.
//
// A file that failed beside another one runs once more, alone: tests that kill processes and wait for leases starve on a
// machine whose cores are taken. It passes only if it passes then, it is named as unsteady at the end with what it said
// first, and more than UNSTEADY_LIMIT of them fail the run: that many is no accident.

const ROOT = path.resolve(import.meta.dirname, '..');
const FILE_LIMIT_MS = 180_000;
const UNSTEADY_LIMIT = 3;
const AT_ONCE = Math.min(2, os.availableParallelism());
/**
 * These wait more than they work (for a lease to run out, a server to come up, a second to pass): one lane begins with them,
 * so that for as long as there are any, one of them runs beside one that works.
 */
const WAIT =
  /^test\/(agents|canary|lib\/(agents|alerts|db|doctor|workers)|lib\/servers\/(start|recovery|configured)|lib\/missions\/(doorbell|functions|again|knownDefects)|lib\/queue\/(limits|starts)|lib\/tasks\/programs|tui\/(pty|ssh|feed))/;
/** The longest are begun first, or one of them would run on by itself at the end. */
const LONGEST = [
  'canary/secrets',
  'lib/backup/create',
  'lib/servers/start',
  'lib/servers/recovery',
  'lib/backup/restore',
  'cli/verbs',
  'lib/workers/kill',
  'tui/pty',
  'lib/missions/functions',
  'agents/milkbot/chat',
  'sql/gate',
  'lib/queue/manyJobs',
  'lib/queue/fence',
  'lib/agents/loop',
  'lib/providers/chat',
  'lib/missions/questions',
  'tui/ssh',
].map((name) => `test/${name}.test.ts`);
/** chaos and bench have runs of their own; fakes are what tests use. */
const ELSEWHERE = /^test\/(bench|chaos|fakes)\//;

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const running = new Set<number>();

function testFiles(filters: readonly string[]): string[] {
  const files = globSync('test/**/*.test.ts', { cwd: ROOT }).filter(
    (file) => !ELSEWHERE.test(file) && !file.includes('node_modules'),
  );
  const rank = (file: string) => (LONGEST.includes(file) ? LONGEST.indexOf(file) : LONGEST.length);
  return files
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function report(file: string, result: FileResult): void {
  const counts = [`${result.passed} passed`];
  if (result.failed > 0) counts.push(`${result.failed} failed`);
  if (result.skipped > 0) counts.push(`${result.skipped} skipped`);
  if (result.fault) counts.push(result.fault);
  console.log(`${result.failed > 0 ? 'FAIL' : 'ok  '} ${file}  ${counts.join(', ')}  ${seconds(result.ms)}`);
  if (result.failed > 0) console.log(result.output.trimEnd().replace(/^/gm, '     | '));
}

interface Results {
  readonly results: FileResult[];
  /** Files that failed beside another one and passed alone. */
  readonly unsteady: string[];
}

async function runAll(files: readonly string[], home: string): Promise<Results> {
  const works = files.filter((file) => !WAIT.test(file));
  const waits = files.filter((file) => WAIT.test(file));
  const results: FileResult[] = [];
  const failed: { file: string; result: FileResult }[] = [];
  const env = { ...process.env, [SERVERS_HOME]: home };
  const onGroup = (group: number, alive: boolean) => void (alive ? running.add(group) : running.delete(group));
  const lane = async (...queues: string[][]) => {
    const next = () => queues.find((queue) => queue.length > 0)?.shift();
    for (let file = next(); file !== undefined; file = next()) {
      const result = await run(file);
      if (result.failed > 0) failed.push({ file, result });
      else results.push(result);
    }
  };
  const run = async (file: string) => {
    const result = await runTestFile(path.join(ROOT, file), { timeoutMs: FILE_LIMIT_MS, env, onGroup });
    report(file, result);
    return result;
  };
  await Promise.all(
    Array.from({ length: AT_ONCE }, (_, index) => (index === 0 ? lane(works, waits) : lane(waits, works))),
  );
  const unsteady: string[] = [];
  const again = failed.length > UNSTEADY_LIMIT || files.length === 1 ? [] : failed;
  if (again.length === 0) results.push(...failed.map(({ result }) => result));
  for (const { file } of again) {
    console.log(`  .. once more, alone: ${file}`);
    const result = await run(file);
    results.push(result);
    if (result.failed === 0) unsteady.push(file);
  }
  return { results, unsteady };
}

/** Whatever every file needs beyond empty servers, made once. */
async function prepare(servers: Servers): Promise<void> {
  const file = path.join(import.meta.dirname, 'harness', 'template.ts');
  if (!existsSync(file)) return;
  const { buildTemplate } = (await import(file)) as { buildTemplate(servers: Servers): Promise<void> };
  await buildTemplate(servers);
}

async function main(filters: readonly string[]): Promise<number> {
  const files = testFiles(filters);
  if (files.length === 0) {
    console.log(`no test file has ${filters.join(' or ')} in its path\n0 passed, 0 failed`);
    return 1;
  }
  const { home, layout, remove } = temporaryHome();
  const interrupted = async (signal: NodeJS.Signals) => {
    console.log(`${signal}: stopping`);
    for (const group of running) endGroup(group);
    // Should this fail, the reaper tries again.
    await remove().catch((error: unknown) => console.error(messageOf(error)));
    process.exit(128 + os.constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupted);
  const start = performance.now();
  const results: FileResult[] = [];
  let faults = 0;
  const attempt = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      faults++;
      console.log(error instanceof OpenClawError ? error.format() : error);
    }
  };
  await attempt(async () => {
    await prepare(await ensureServers({ layout, durable: false, onProgress: (line) => console.log(`  .. ${line}`) }));
    console.log(`  .. servers ready in ${seconds(performance.now() - start)}`);
    const ran = await runAll(files, home);
    results.push(...ran.results);
    for (const file of ran.unsteady) console.log(`unsteady: ${file} failed beside another file and passed alone`);
  });
  await attempt(remove);
  const total = (count: 'passed' | 'failed' | 'skipped') => results.reduce((sum, result) => sum + result[count], 0);
  console.log(
    `${results.length} of ${files.length} files in ${seconds(performance.now() - start)}, ${total('skipped')} skipped`,
  );
  console.log(`${total('passed')} passed, ${total('failed') + faults} failed`);
  return total('failed') + faults > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
// A connection that the template left open must not keep the run from ending.
setTimeout(() => process.exit(), 2_000).unref();
