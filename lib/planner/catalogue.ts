import { readFile } from 'node:fs/promises';
import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { namedPlans } from '../missions/planFiles.ts';

export interface TaskFacts {
  readonly identifier: string;
  readonly title: string;
  readonly effect: string;
  readonly payload_schema: Record<string, unknown>;
}

/** What no model may plan: the engine's own, and a query language that reads every table. */
const WITHHELD = ['mission', 'retention', 'run_sql'];

export async function plannableTasks(db: Queryable): Promise<TaskFacts[]> {
  const { rows } = await db.query<TaskFacts>(
    'select identifier, title, effect, payload_schema from ops_tasks where retired_at is null and identifier <> all ($1) order by identifier',
    [WITHHELD],
  );
  return rows;
}

export interface Suggestion {
  readonly name: string;
  readonly title: string;
}

/** The plans that there are already, those first that share words with the goal. */
export async function suggestPlans(config: Config, goal: string): Promise<Suggestion[]> {
  const wanted = wordsOf(goal);
  const found: (Suggestion & { score: number })[] = [];
  for (const [name, file] of await namedPlans(config)) {
    const plan = await readTitle(file);
    const words = wordsOf(`${name.replaceAll('_', ' ')} ${plan.title} ${plan.description}`);
    const score = [...wanted].filter(
      (word) => words.has(word) || [...words].some((other) => word.length > 4 && other.startsWith(word.slice(0, -1))),
    ).length;
    found.push({ name, title: plan.title || name, score });
  }
  return found
    .sort((a, b) => b.score - a.score || a.name.localeCompare(b.name))
    .slice(0, 5)
    .map(({ name, title }) => ({ name, title }));
}

async function readTitle(file: string): Promise<{ title: string; description: string }> {
  try {
    const { parse: parseYaml } = await import('yaml');
    const plan = parseYaml(await readFile(file, 'utf8'), { maxAliasCount: 100 }) as {
      title?: unknown;
      description?: unknown;
    } | null;
    return {
      title: typeof plan?.title === 'string' ? plan.title : '',
      description: typeof plan?.description === 'string' ? plan.description : '',
    };
  } catch {
    // A broken plan is named where it is used; here its name is all there is to say.
    return { title: '', description: '' };
  }
}

const COMMON = new Set([
  'the',
  'and',
  'for',
  'with',
  'that',
  'this',
  'from',
  'every',
  'all',
  'please',
  'make',
  'give',
  'me',
  'my',
  'of',
  'to',
  'in',
  'on',
  'a',
  'an',
  'is',
  'it',
]);
const wordsOf = (text: string) =>
  new Set((text.toLowerCase().match(/[\p{L}\p{N}]{2,}/gu) ?? []).filter((word) => !COMMON.has(word)));
