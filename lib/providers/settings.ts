import { readdirSync } from 'node:fs';
import path from 'node:path';
import { type GoodFile, goodFile } from '../config/goodFile.ts';
import { CODE_ROOT, type Config } from '../config/index.ts';
import { OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import {
  type ChatProviderFile,
  CONTEXT_FILE,
  type ContextLimits,
  FAILOVER_FILE,
  type Failover,
  type ModelFacts,
  PROVIDER_FILE,
  type SearchProviderFile,
} from './schemas.ts';

interface Reached {
  readonly name: string;
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
}
export type ChatProvider = Reached & ChatProviderFile;
export type SearchProvider = Reached & SearchProviderFile;
export type Provider = ChatProvider | SearchProvider;

export interface Settings {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly failover: Failover;
  readonly limits: ContextLimits;
  /** What is wrong with the files as they stand; the last good ones are in force. */
  readonly faults: readonly string[];
}

export interface SettingsReader {
  read: () => Settings;
}

/**
 * `config/providers/*.json`, `failover.json` and `context-limits.json` of the home over the built-in ones, read again
 * whenever one has changed. A fault is logged once and leaves the last good file in force.
 */
export function settingsReader(config: Config, log?: Pick<Logger, 'warn'>): SettingsReader {
  const files = new Map<string, GoodFile<unknown>>();
  const said = new Set<string>();
  const shipped = path.join(CODE_ROOT, 'config');
  const keepIn = path.join(config.layout.run, 'last-good');
  const load = <T>(
    name: string,
    schema: Parameters<typeof goodFile<T>>[0]['schema'],
    faults: string[],
  ): T | undefined => {
    let file = files.get(name) as GoodFile<T> | undefined;
    if (!file) {
      file = goodFile({
        file: path.join(config.layout.config, name),
        builtIn: path.join(shipped, name),
        schema,
        keepIn,
      });
      files.set(name, file);
    }
    const { value, fault } = file.read();
    if (fault) faults.push(fault);
    return value;
  };
  return {
    read: () => {
      const faults: string[] = [];
      const providers = new Map<string, Provider>();
      for (const name of namesIn(path.join(shipped, 'providers'), path.join(config.layout.config, 'providers'))) {
        const file = load(path.join('providers', `${name}.json`), PROVIDER_FILE, faults);
        if (file) providers.set(name, { ...file, name, ...reach(config, file) } as Provider);
      }
      const failover = load('failover.json', FAILOVER_FILE, faults)!;
      const limits = load('context-limits.json', CONTEXT_FILE, faults)!;
      for (const entry of failover.order) {
        const { provider, facts } = modelOf(providers, entry) ?? {};
        if (!provider || !facts)
          faults.push(`failover.json: order names "${entry}", which no file in providers/ defines`);
      }
      for (const fault of faults) {
        if (said.has(fault)) continue;
        said.add(fault);
        log?.warn({ fault }, 'a file of the providers is faulty; the last good one stays in force');
      }
      for (const old of said) if (!faults.includes(old)) said.delete(old);
      return { providers, failover, limits, faults };
    },
  };
}

function namesIn(...folders: string[]): string[] {
  const names = new Set<string>();
  for (const folder of folders) {
    let entries: string[] = [];
    try {
      entries = readdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    for (const entry of entries) if (/^[a-z0-9][a-z0-9_-]*\.json$/.test(entry)) names.add(entry.slice(0, -5));
  }
  return [...names].sort();
}

function reach(config: Config, file: ChatProviderFile | SearchProviderFile) {
  const service = config.services[file.service];
  // A file that names an address of its own gets the service's key only when it is the service's own host: a copied file
  // must not send a key elsewhere.
  const own = file.base_url === undefined || sameOrigin(file.base_url, service.baseUrl);
  return { baseUrl: file.base_url ?? service.baseUrl ?? '', apiKey: own ? service.apiKey : undefined };
}

function sameOrigin(a: string, b: string | undefined): boolean {
  return b !== undefined && URL.parse(a)?.origin === URL.parse(b)?.origin;
}

/** Whether it can be asked at all: a local server by its address, every other by its key. */
export function isConfigured(provider: Provider): boolean {
  if (!provider.enabled || provider.baseUrl === '') return false;
  return provider.apiKey !== undefined || provider.service === 'local' || provider.base_url !== undefined;
}

export interface ModelChoice {
  /** `provider/model`. */
  readonly id: string;
  readonly provider: ChatProvider;
  readonly model: string;
  readonly facts: ModelFacts;
}

export function modelOf(providers: ReadonlyMap<string, Provider>, id: string): ModelChoice | undefined {
  const slash = id.indexOf('/');
  const provider = providers.get(id.slice(0, slash));
  const model = id.slice(slash + 1);
  if (provider?.kind !== 'chat') return undefined;
  const facts = provider.models[model];
  return facts && { id, provider, model, facts };
}

/**
 * The models to ask, in order: the one that is wanted (`provider/model`, or a provider's first), else failover's order,
 * with the providers that policy names before the others.
 *
 * @throws E_MODEL_UNKNOWN; E_NO_MODEL where none is configured.
 */
export function modelsToAsk(settings: Settings, wanted?: string, before: readonly string[] = []): ModelChoice[] {
  if (wanted !== undefined) {
    const provider = settings.providers.get(wanted);
    const id = provider?.kind === 'chat' ? `${wanted}/${Object.keys(provider.models)[0]}` : wanted;
    const choice = modelOf(settings.providers, id);
    if (!choice)
      throw new OpenClawError('E_MODEL_UNKNOWN', `there is no model "${wanted}"`, {
        expected: 'a provider, or provider/model, of config/providers/',
        remedy: 'openclaw providers list',
        exitCode: 2,
      });
    if (isConfigured(choice.provider)) return [choice];
    throw noModel(`${choice.provider.title} is not configured`);
  }
  const choices = settings.failover.order
    .map((id) => modelOf(settings.providers, id))
    .filter((choice) => choice !== undefined && isConfigured(choice.provider)) as ModelChoice[];
  if (choices.length === 0) throw noModel('no model is configured');
  const place = ({ provider }: ModelChoice) => {
    const at = before.indexOf(provider.name);
    return at < 0 ? before.length : at;
  };
  return choices.sort((a, b) => place(a) - place(b));
}

function noModel(message: string): OpenClawError {
  return new OpenClawError('E_NO_MODEL', message, {
    expected: 'a key (MINIMAX_API_KEY, OPENROUTER_API_KEY or XAI_API_KEY), or LOCAL_MODEL_BASE_URL',
    remedy:
      'set one in config/.env; a server without a key is, for example, LOCAL_MODEL_BASE_URL=http://127.0.0.1:11434/v1 (Ollama)',
    exitCode: 78,
  });
}
