import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CODE_ROOT, type Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { didYouMean, EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { allowOperatorImports } from '../tasks/operatorImports.ts';
import { type LoadedIdentity, loadIdentity } from './identity.ts';
import type { AgentDefinition } from './types.ts';

/** Agents are folders with SOUL.md and agent.ts: of the code, and of the home. A built-in name wins. */
export function agentFolders(config: Config): Map<string, string> {
  const folders = new Map<string, string>();
  for (const root of [path.join(CODE_ROOT, 'agents'), config.layout.agents]) {
    if (!existsSync(root)) continue;
    for (const entry of readdirSync(root, { withFileTypes: true })) {
      const folder = path.join(root, entry.name);
      if (entry.isDirectory() && !folders.has(entry.name) && existsSync(path.join(folder, 'agent.ts')))
        folders.set(entry.name, folder);
    }
  }
  return folders;
}

/** @throws E_UNKNOWN_AGENT (2). */
export function folderOf(config: Config, id: string): string {
  const folders = agentFolders(config);
  const folder = folders.get(id);
  if (folder) return folder;
  const near = didYouMean(id, folders.keys());
  throw new OpenClawError('E_UNKNOWN_AGENT', `there is no agent "${id}"`, {
    expected: [...folders.keys()].join(', '),
    remedy: near
      ? `did you mean ${near}?`
      : `an agent is a folder with SOUL.md and agent.ts, in ${config.layout.agents}`,
    exitCode: EXIT.usage,
  });
}

/** @throws E_AGENT (78) for a folder whose agent.ts cannot be loaded or defines no agent. */
export async function loadDefinition(folder: string): Promise<AgentDefinition> {
  allowOperatorImports();
  const file = path.join(folder, 'agent.ts');
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    throw new OpenClawError('E_AGENT', `${file} cannot be loaded: ${messageOf(error)}`, {
      cause: error,
      exitCode: EXIT.config,
    });
  }
  const definition = module.default as Partial<AgentDefinition> | undefined;
  if (typeof definition?.handlers === 'object' && definition.handlers !== null) return definition as AgentDefinition;
  throw new OpenClawError('E_AGENT', `${file} defines no agent`, {
    expected: 'export default defineAgent({ handlers: { ... } })',
    exitCode: EXIT.config,
  });
}

/** Puts the agent on the roster with the identity in force. */
export async function registerAgent(db: Queryable, { identity, hash, fault }: LoadedIdentity): Promise<void> {
  await db.query(
    `insert into ops_agents as a (id, number, name, role, domains, identity, identity_hash, identity_fault)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (id) do update set number = excluded.number, name = excluded.name, role = excluded.role, domains = excluded.domains,
       identity = excluded.identity, identity_hash = excluded.identity_hash, identity_fault = excluded.identity_fault
     where (a.identity_hash, a.identity_fault) is distinct from (excluded.identity_hash, excluded.identity_fault)`,
    [
      identity.id,
      identity.number,
      identity.name,
      identity.role,
      identity.domains,
      JSON.stringify(identity),
      hash,
      fault,
    ],
  );
}

/** All agents that there are, on the roster, whether they run or not: what is sent to one that is down waits for it. */
export async function registerAllAgents(db: Queryable, config: Config): Promise<string[]> {
  const ids: string[] = [];
  for (const [id, folder] of agentFolders(config)) {
    await registerAgent(db, await loadIdentity(config.layout, id, folder));
    ids.push(id);
  }
  return ids;
}
