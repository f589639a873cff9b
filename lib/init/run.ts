import { type Config, loadConfig } from '../config/index.ts';
import { type KeyName, SCHEMA } from '../config/schema.ts';
import { messageOf } from '../errors/index.ts';
import { addSecrets, scrub } from '../log/secrets.ts';
import { editEnv, readEnvText, writeEnv } from './envEdit.ts';
import { ASKED, type Asked } from './probes.ts';

export interface InitContext {
  readonly config: Config;
  readonly ask: (question: string, options?: { hidden?: boolean }) => Promise<string>;
  readonly say: (line: string) => void;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface InitResult {
  readonly changed: readonly string[];
  readonly kept: readonly string[];
  readonly skipped: readonly string[];
}

const TRIES = 3;

/**
 * Asks for each key. Enter keeps what is there, `-` takes it out. A value is checked as the configuration checks it and tried
 * at its service before it is written; one that is refused is written only when the person says so. Each answer is written at
 * once, so that an interruption loses none.
 */
export async function runInit({ config, ask, say, env = process.env }: InitContext): Promise<InitResult> {
  const { envFile } = config.layout;
  const changed: string[] = [];
  const kept: string[] = [];
  const skipped: string[] = [];
  for (const asked of ASKED) {
    const current = valuesNow(config, env);
    if (asked.key === 'GMAIL_APP_PASSWORD' && !current.GMAIL_ADDRESS) continue;
    const answer = await answerFor(asked, current, ask, say);
    if (answer === undefined) (current[asked.key] ? kept : skipped).push(asked.key);
    else {
      writeEnv(envFile, editEnv(readEnvText(envFile), { [asked.key]: answer }));
      changed.push(asked.key);
      if (env[asked.key]) say(`  the environment sets ${asked.key} too, and wins over the file`);
    }
  }
  return { changed, kept, skipped };
}

/** The texts that are in force: the environment's over the file's. */
function valuesNow(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const file: Record<string, string | undefined> = {};
  for (const line of readEnvText(config.layout.envFile).split('\n')) {
    const parts = /^\s*(?:export\s+)?([A-Z_]+)\s*=\s*(["'`]?)(.*?)\2\s*$/.exec(line);
    if (parts) file[parts[1]!] = parts[3];
  }
  return { ...file, ...Object.fromEntries(Object.entries(env).filter(([key, value]) => value && key in SCHEMA.shape)) };
}

/** The new value, null to take it out, undefined to leave it. */
async function answerFor(
  asked: Asked,
  current: Readonly<Record<string, string | undefined>>,
  ask: InitContext['ask'],
  say: InitContext['say'],
): Promise<string | null | undefined> {
  const has = Boolean(current[asked.key]);
  if (asked.lead && !has) say(asked.lead);
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const hint = has ? ' [set: Enter keeps, - removes]' : ' [Enter skips]';
    const text = (await ask(`${asked.question}${hint}:`, { hidden: asked.hidden })).trim();
    if (text === '') return undefined;
    if (text === '-') return has ? null : undefined;
    const fault = faultOf(asked.key, text);
    if (fault) {
      say(`  not taken: expected ${fault}`);
      continue;
    }
    if (asked.hidden) addSecrets([text]);
    const refused = await tried(asked, text, { ...current, [asked.key]: text }, say);
    if (refused === undefined) return text;
    say(`  the service does not take it: ${refused}`);
    if (/^y(es)?$/i.test((await ask('  keep it all the same? [y/N]')).trim())) return text;
  }
  return undefined;
}

function faultOf(key: KeyName, text: string): string | undefined {
  const parsed = SCHEMA.shape[key].safeParse(text);
  return parsed.success ? undefined : parsed.error.issues[0]!.message;
}

async function tried(
  asked: Asked,
  value: string,
  all: Readonly<Record<string, string | undefined>>,
  say: InitContext['say'],
): Promise<string | undefined> {
  if (!asked.probe) return undefined;
  try {
    say(`  ${await asked.probe(value, all)}`);
    return undefined;
  } catch (error) {
    return scrub(messageOf((error as { cause?: unknown }).cause ?? error));
  }
}

/** The configuration as it is after the answers. @throws E_CONFIG where two keys do not fit together. */
export function configAfter(config: Config): Config {
  return loadConfig({ home: config.home });
}
