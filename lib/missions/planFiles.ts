import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { CODE_ROOT, type Config } from '../config/index.ts';
import { didYouMean, EXIT, messageOf, OpenClawError } from '../errors/index.ts';

const ENDINGS = ['.yaml', '.yml', '.json'];

/** The plans that can be named: the operator's own, then the built-in ones; the first wins a name. */
export async function namedPlans(config: Config): Promise<Map<string, string>> {
  const plans = new Map<string, string>();
  for (const folder of [config.layout.plans, path.join(CODE_ROOT, 'plans')]) {
    for (const name of (await listFolder(folder)).sort()) {
      const ending = path.extname(name);
      const plan = path.basename(name, ending);
      if (ENDINGS.includes(ending) && !plans.has(plan)) plans.set(plan, path.join(folder, name));
    }
  }
  return plans;
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * A plan by its name or its file (JSON or YAML), as data; what it says is checked by the database.
 *
 * @throws E_PLAN_NOT_FOUND, E_PLAN_FILE (with the place of the error).
 */
export async function readPlan(config: Config, nameOrFile: string): Promise<unknown> {
  const isFile = nameOrFile.includes('/') || ENDINGS.includes(path.extname(nameOrFile));
  const plans = isFile ? new Map<string, string>() : await namedPlans(config);
  const file = isFile ? path.resolve(nameOrFile) : plans.get(nameOrFile);
  if (file === undefined) {
    const near = didYouMean(nameOrFile, plans.keys());
    throw new OpenClawError('E_PLAN_NOT_FOUND', `there is no plan "${nameOrFile}"`, {
      expected: `one of ${[...plans.keys()].join(', ')}, or a .json or .yaml file`,
      ...(near && { remedy: `did you mean "${near}"?` }),
      exitCode: EXIT.usage,
    });
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new OpenClawError('E_PLAN_NOT_FOUND', `the plan ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
      exitCode: EXIT.usage,
    });
  }
  const { parse: parseYaml } = await import('yaml');
  try {
    // YAML holds JSON; aliases are bounded, so that a small file cannot become a huge one.
    return parseYaml(text, { maxAliasCount: 100, prettyErrors: true });
  } catch (error) {
    throw new OpenClawError('E_PLAN_FILE', `${file} is neither JSON nor YAML: ${messageOf(error).split('\n')[0]}`, {
      cause: error,
      exitCode: EXIT.usage,
    });
  }
}
