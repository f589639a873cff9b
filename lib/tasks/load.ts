import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Task } from 'graphile-worker';
import { z } from 'zod';
import { messageOf } from '../errors/index.ts';
import { DEFINITION, type DefinedTask, parsePayload } from './define.ts';
import { executableTask } from './executable.ts';
import { allowOperatorImports } from './operatorImports.ts';
import type { LoadedTask, TaskDefinition } from './types.ts';

/** A file in a tasks folder that cannot be run, with the reason. It is left out; the others run. */
export interface TaskFault {
  file: string;
  message: string;
}

export interface TaskRegistry {
  readonly tasks: ReadonlyMap<string, LoadedTask>;
  readonly faults: readonly TaskFault[];
}

/** In order of preference where one name has several files; the same order as graphile-worker's. */
const MODULE_ENDINGS = ['.js', '.cjs', '.mjs', '.ts', '.mts'];
const NAME = /^([A-Za-z0-9_-]+)((?:\.[A-Za-z0-9_-]+)*)$/;

/**
 * Every task of the folders; the first folder wins a name. One broken file must not stop the others at 3 a.m., so faults
 * are returned, not thrown; whoever calls shows them.
 */
export async function loadTasks(folders: readonly string[]): Promise<TaskRegistry> {
  const tasks = new Map<string, LoadedTask>();
  const faults: TaskFault[] = [];
  for (const folder of folders) {
    for (const file of await filesBelow(folder, faults)) {
      const identifier = identifierOf(folder, file);
      if (identifier === undefined) {
        faults.push({
          file,
          message: 'the name is no task identifier: at most 128 letters, digits, _ and -, then one ending',
        });
        continue;
      }
      const other = tasks.get(identifier);
      if (other) {
        faults.push({
          file,
          message: `the task "${identifier}" is already defined by ${other.file}; rename one of them`,
        });
        continue;
      }
      try {
        const definition = await loadFile(file, identifier);
        tasks.set(identifier, {
          ...definition,
          identifier,
          file,
          contentHash: createHash('sha256')
            .update(await readFile(file))
            .digest('hex'),
        });
      } catch (error) {
        faults.push({ file, message: messageOf(error) });
      }
    }
  }
  return { tasks, faults };
}

async function filesBelow(folder: string, faults: TaskFault[]): Promise<string[]> {
  let entries: import('node:fs').Dirent[];
  try {
    entries = await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    // A home without a tasks folder is a home without tasks of its own.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      faults.push({ file: folder, message: `cannot be read: ${messageOf(error)}` });
    return [];
  }
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.') && !entry.name.endsWith('.d.ts'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter(
      (file) =>
        !path
          .relative(folder, file)
          .split(path.sep)
          .some((part) => part.startsWith('.') || part === 'node_modules'),
    )
    .sort();
}

function identifierOf(folder: string, file: string): string | undefined {
  const parts = path.relative(folder, file).split(path.sep);
  const name = NAME.exec(parts.pop() ?? '');
  if (!name || parts.some((part) => !/^[A-Za-z0-9_-]+$/.test(part))) return undefined;
  const identifier = [...parts, name[1]].join('/');
  return identifier.length <= 128 ? identifier : undefined;
}

async function loadFile(file: string, identifier: string): Promise<TaskDefinition> {
  if (MODULE_ENDINGS.includes(path.extname(file))) return loadModule(file, identifier);
  if ((await stat(file)).mode & constants.S_IXUSR) return executableTask(file, identifier);
  throw new Error(`is no task: expected a module (${MODULE_ENDINGS.join(', ')}) or an executable file (chmod +x)`);
}

async function loadModule(file: string, identifier: string): Promise<TaskDefinition> {
  allowOperatorImports();
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  // CommonJS modules arrive as { default: { default: task } }.
  const exported =
    typeof module.default === 'object' && module.default !== null && 'default' in module.default
      ? module.default.default
      : module.default;
  if (typeof exported !== 'function') {
    throw new Error(
      `is no task: its default export is ${exported === undefined ? 'missing' : `a ${typeof exported}`}, expected defineTask({...}, async (payload, ctx) => ...)`,
    );
  }
  return (exported as Partial<DefinedTask>)[DEFINITION] ?? plainTask(exported as Task, identifier);
}

/** A stock graphile-worker function, `(payload, helpers) => …`: nothing is known of it, so the most careful is assumed. */
function plainTask(task: Task, identifier: string): TaskDefinition {
  const schema = z.record(z.string(), z.unknown());
  return {
    title: identifier,
    pool: 'missions',
    effect: 'outside',
    idempotent: false,
    untrusted: false,
    maxAttempts: 4,
    timeoutMs: 300_000,
    backoff: { initialMs: 1000, factor: 2, maxMs: 300_000 },
    payloadSchema: { type: 'object', additionalProperties: {} },
    parse: (payload) => parsePayload(schema, payload),
    retryable: () => true,
    durable: false,
    limits: null,
    run: async (payload: unknown, context) => {
      const { helpersOf } = await import('./stock.ts');
      return task(payload, helpersOf(context));
    },
  };
}
