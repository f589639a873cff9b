import path from 'node:path';
import { didYouMean, EXIT, OpenClawError } from '../errors/index.ts';
import { readPrivate } from '../secrets/masterKey.ts';
import { openCredentials } from '../secrets/store.ts';
import { readEnvFile } from './envFile.ts';
import { type Layout, layoutOf, resolveHome } from './layout.ts';
import { KEY_NAMES, type KeyName } from './schema.ts';

export interface Environment {
  /** Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Default: OPENCLAW_HOME, else `./var` of the code. */
  home?: string;
}

export interface GivenText {
  readonly text: string;
  readonly source: 'environment' | 'credentials' | 'file';
}

export interface Sources {
  readonly home: string;
  readonly layout: Layout;
  readonly given: ReadonlyMap<KeyName, GivenText>;
  /** What is wrong with the file itself, one a line. */
  readonly faults: readonly string[];
}

const NAMES: ReadonlySet<string> = new Set(KEY_NAMES);
/** What a task that is a program is told of its job; it may call `openclaw` in turn. */
const OF_JOBS: ReadonlySet<string> = new Set(['OPENCLAW_IDEMPOTENCY_KEY', 'OPENCLAW_TRACE_ID']);

/**
 * The texts that were given and where: the environment wins over the credentials (systemd's, then the encrypted store),
 * these over `config/.env`; an empty text counts as not given.
 *
 * @throws those of readEnvFile and of openCredentials, and E_CONFIG_UNKNOWN_KEY (78) with every unknown key at once.
 */
export function readSources({ env = process.env, home: given }: Environment = {}): Sources {
  const home = given ? path.resolve(given) : resolveHome(env);
  const layout = layoutOf(home);
  const file = readEnvFile(layout.envFile);
  const fileKeys = file?.texts ?? new Map<string, string>();
  refuseUnknown(env, fileKeys.keys(), layout.envFile);

  const kept = openCredentials(layout, env).values;
  const texts = new Map<KeyName, GivenText>();
  for (const key of KEY_NAMES) {
    const fromEnvironment = env[key];
    const fromCredentials = systemdCredential(env, key) || kept.get(key);
    const fromFile = fileKeys.get(key);
    if (fromEnvironment) texts.set(key, { text: fromEnvironment, source: 'environment' });
    else if (fromCredentials) texts.set(key, { text: fromCredentials, source: 'credentials' });
    else if (fromFile) texts.set(key, { text: fromFile, source: 'file' });
  }

  const faults = (file?.faults ?? []).map((fault) => `${layout.envFile}: ${fault}`);
  const homeInFile = fileKeys.get('OPENCLAW_HOME');
  if (homeInFile && path.resolve(homeInFile) !== home) {
    // The file is found through the home, so that a home in it would name two.
    faults.push(
      `${layout.envFile}: OPENCLAW_HOME is '${homeInFile}'; expected ${home} or nothing, as only the environment sets it`,
    );
  }
  return { home, layout, given: texts, faults };
}

/** `LoadCredential=BRAVE_API_KEY:...` of a unit. */
function systemdCredential(env: Environment['env'] & {}, key: KeyName): string | undefined {
  return env.CREDENTIALS_DIRECTORY ? readPrivate(path.join(env.CREDENTIALS_DIRECTORY, key), false) : undefined;
}

function refuseUnknown(env: Environment['env'] & {}, fileKeys: Iterable<string>, envFile: string): void {
  const unknown: string[] = [];
  const note = (key: string, where: string) => {
    const near = didYouMean(key, KEY_NAMES);
    unknown.push(`${key} in ${where}${near ? `: did you mean ${near}?` : ''}`);
  };
  for (const key of fileKeys) if (!NAMES.has(key)) note(key, envFile);
  for (const [key, text] of Object.entries(env)) {
    const ours = key.startsWith('OPENCLAW_') && !key.startsWith('OPENCLAW_TEST_') && !OF_JOBS.has(key);
    if (ours && text && !NAMES.has(key)) note(key, 'the environment');
  }
  if (unknown.length === 0) return;
  throw new OpenClawError('E_CONFIG_UNKNOWN_KEY', `unknown configuration: ${unknown.length} key(s)`, {
    expected: 'only keys of config/.env.example',
    faults: unknown,
    remedy: 'correct or remove them',
    exitCode: EXIT.config,
  });
}
