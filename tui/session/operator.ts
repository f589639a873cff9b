import type { Action, ActionContext } from '../../lib/actions/types.ts';
import type { Config } from '../../lib/config/index.ts';
import { createPool, fromDatabase, type Pool } from '../../lib/db/index.ts';
import { messageOf, OpenClawError } from '../../lib/errors/index.ts';
import type { Logger } from '../../lib/log/index.ts';
import { scrub } from '../../lib/log/secrets.ts';
import type { ActionFacts, Actor, Performed } from './actor.ts';
import { camel } from './palette.ts';

export interface ActorOptions {
  /** As it stands in the audit: `cli:ada`, `ssh:ada`. */
  readonly actor: string;
  readonly name: string;
  readonly role: 'viewer' | 'operator';
  readonly config: Config;
  readonly log: Logger;
  /** The URL of the role that acts. */
  readonly url: () => string;
  /** Said to the database, which decides by it what only an owner may answer. */
  readonly standing?: 'viewer' | 'operator';
  /** Asked before each act; a device that was revoked meanwhile is refused here. @returns why not. */
  readonly admit?: () => Promise<string | undefined>;
}

/** An act that has not ended by then is left to itself, and says so. */
const ACT_LIMIT_MS = 30_000;

let loaded: Promise<readonly Action[]> | undefined;
let known: readonly Action[] = [];

/** The table pulls in much that a screen does not need until somebody acts: it is read then, once for all viewers. */
function loadActions(): Promise<readonly Action[]> {
  loaded ??= import('../../lib/actions/index.ts').then(({ ACTIONS }) => {
    known = ACTIONS;
    return ACTIONS;
  });
  return loaded;
}

const factsOf = (action: Action): ActionFacts => ({
  name: action.name,
  title: action.title,
  who: action.who,
  danger: action.danger,
  args: action.args ?? [],
  options: action.options,
});

/** Somebody who acts through the table of actions. The connection that may change things is made for an act, and closed after it. */
export function createActor({ actor, name, role, config, log, url, admit, standing }: ActorOptions): Actor {
  const refuses = (wanted: string): string | undefined => {
    const action = known.find((one) => one.name === wanted);
    if (!action) return `"${wanted}" is not there: its part is not installed`;
    if (action.who === 'operator' && role === 'viewer')
      return `${name} may look, not act (role viewer): ${wanted} needs an operator`;
    return undefined;
  };

  const withPool = async <T>(work: (db: Pool) => Promise<T>): Promise<T> => {
    const db = createPool(url(), {
      name: 'screen:act',
      max: 2,
      actor,
      source: 'dashboard',
      log,
      ...(standing && { settings: { 'openclaw.role': standing } }),
    });
    try {
      return await work(db);
    } finally {
      await db.end();
    }
  };

  async function run(
    action: Action,
    args: readonly string[],
    options: Readonly<Record<string, string | boolean>>,
  ): Promise<Performed> {
    const defaults = Object.fromEntries(
      (action.options ?? []).flatMap(({ flags, default: value }) =>
        value === undefined ? [] : [[camel(/--([a-z-]+)/.exec(flags)![1]!), value]],
      ),
    );
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), ACT_LIMIT_MS);
    const said: string[] = [];
    try {
      const refused = await admit?.();
      if (refused) return { ok: false, text: refused };
      return await withPool(async (db) => {
        const context: ActionContext = { db, config, log, say: (line) => void said.push(line), signal: limit.signal };
        const late = new Promise<never>((_resolve, reject) =>
          limit.signal.addEventListener(
            'abort',
            () =>
              reject(
                new OpenClawError(
                  'E_LATE',
                  `${action.name} has not ended after ${ACT_LIMIT_MS / 1000} s; it may still do so`,
                ),
              ),
            { once: true },
          ),
        );
        late.catch(() => undefined);
        const result = await Promise.race([
          action.run(context, { args: [...args], options: { ...defaults, ...options } }),
          late,
        ]);
        return { ok: (result.exitCode ?? 0) !== 1, text: result.text || said.join('\n') || 'done', json: result.json };
      });
    } catch (error) {
      const refusal = fromDatabase(error);
      return {
        ok: false,
        text: scrub(
          refusal instanceof OpenClawError
            ? [refusal.message, ...refusal.faults, ...(refusal.remedy ? [refusal.remedy] : [])].join('; ')
            : messageOf(refusal),
        ),
      };
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    name,
    role,
    table: () => known.map(factsOf),
    load: async () => void (await loadActions()),
    refuses,
    perform: async (wanted, args, options = {}) => {
      const actions = await loadActions();
      const reason = refuses(wanted);
      if (reason) return { ok: false, text: reason };
      return run(actions.find((one) => one.name === wanted)!, args, options);
    },
    statesOf: (ids) => withPool((db) => readStates(db, ids)),
  };
}

const STATE_OF: Record<string, string> = {
  m: 'select id, state from ops_missions where id = any ($1)',
  j: 'select id, state from task_queue where id = any ($1)',
  a: 'select id, state from ops_approvals where id = any ($1)',
};

async function readStates(db: Pool, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const states = new Map<string, string>();
  for (const [letter, sql] of Object.entries(STATE_OF)) {
    const numbers = ids.filter((id) => new RegExp(`^${letter}\\d+$`).test(id)).map((id) => id.slice(1));
    if (numbers.length === 0) continue;
    const { rows } = await db.query<{ id: string; state: string }>(sql, [numbers]);
    for (const row of rows) states.set(`${letter}${row.id}`, row.state);
    // What is gone is no longer in the state that was shown.
    for (const id of numbers) if (!states.has(`${letter}${id}`)) states.set(`${letter}${id}`, 'gone');
  }
  return states;
}
