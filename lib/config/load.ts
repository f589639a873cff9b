import { EXIT, OpenClawError } from '../errors/index.ts';
import { addSecrets, scrub } from '../log/secrets.ts';
import type { Layout } from './layout.ts';
import { type KeyName, notesOf, SCHEMA, type Values } from './schema.ts';
import { type Secret, secretsIn } from './secretsIn.ts';
import { type Services, servicesOf } from './services.ts';
import { type Environment, type GivenText, readSources } from './sources.ts';

export interface Config {
  readonly home: string;
  readonly layout: Layout;
  /** Unset: a private server under the home. */
  readonly databaseUrl?: string;
  /** Unset: databaseUrl serves for migrations too. */
  readonly databaseAdminUrl?: string;
  readonly redisUrl?: string;
  /** Absolute; further to the built-in tasks and those of the home. */
  readonly taskDirs: readonly string[];
  readonly logLevel: Values['OPENCLAW_LOG_LEVEL'];
  /** Jobs at once, by pool. */
  readonly concurrency: { readonly missions: number; readonly upkeep: number };
  readonly drainTimeoutMs: number;
  /** In place of the host's name, where that does not tell hosts apart. */
  readonly hostId: string | undefined;
  /** `host:port` in URL's spelling, for guardedFetch. */
  readonly fetchAllow: readonly string[];
  /** Where the screen is served by SSH; port 0: `up` does not. */
  readonly dashboard: { readonly host: string; readonly port: number };
  /** Of 127.0.0.1. */
  readonly webhookPort: number;
  readonly services: Services;
  /** A file for a worker's log; unset: standard error. */
  readonly logFile?: string;
  readonly backup: { readonly ageRecipient?: string; readonly ageIdentityPath?: string };
  /** Every secret value that was given, passwords inside URLs too; loadConfig has told lib/log of them already. */
  readonly secrets: readonly Secret[];
}

/**
 * The one configuration of a process, from the environment and `config/.env`. From here on, the secrets in it are
 * taken out of whatever is logged, also when the load fails.
 *
 * @throws E_CONFIG (78) with every bad value at once, E_CONFIG_UNKNOWN_KEY, E_ENV_FILE_OPEN, E_ENV_FILE_UNREADABLE.
 */
export function loadConfig(environment: Environment = {}): Config {
  const { home, layout, given, faults: fileFaults } = readSources(environment);
  const secrets = secretsIn(given);
  addSecrets(secrets.map((secret) => secret.value));
  const texts = Object.fromEntries([...given].map(([key, { text }]) => [key, text]));
  const parsed = SCHEMA.safeParse(texts);
  const faults = [...fileFaults];
  if (parsed.success) faults.push(...crossFaults(parsed.data));
  else for (const issue of parsed.error.issues) faults.push(faultOf(issue.path[0] as KeyName, issue.message, given));
  if (faults.length > 0 || !parsed.success) {
    throw new OpenClawError('E_CONFIG', `the configuration has ${faults.length} fault(s)`, {
      faults,
      remedy: `correct the environment or ${layout.envFile}`,
      exitCode: EXIT.config,
    });
  }
  const values = parsed.data;
  return {
    home,
    layout,
    databaseUrl: values.DATABASE_URL,
    databaseAdminUrl: values.DATABASE_ADMIN_URL,
    redisUrl: values.REDIS_URL,
    taskDirs: values.OPENCLAW_TASK_DIRS ?? [],
    logLevel: values.OPENCLAW_LOG_LEVEL,
    concurrency: { missions: values.OPENCLAW_CONCURRENCY_MISSIONS, upkeep: values.OPENCLAW_CONCURRENCY_UPKEEP },
    drainTimeoutMs: values.OPENCLAW_DRAIN_TIMEOUT_MS,
    hostId: values.OPENCLAW_HOST_ID,
    fetchAllow: values.OPENCLAW_FETCH_ALLOW ?? [],
    dashboard: { host: values.OPENCLAW_DASHBOARD_HOST, port: values.OPENCLAW_DASHBOARD_PORT },
    webhookPort: values.OPENCLAW_WEBHOOK_PORT,
    services: servicesOf(values),
    logFile: values.OPENCLAW_LOG_FILE,
    backup: { ageRecipient: values.BACKUP_AGE_RECIPIENT, ageIdentityPath: values.BACKUP_AGE_IDENTITY_PATH },
    secrets,
  };
}

function faultOf(key: KeyName, expected: string, given: ReadonlyMap<KeyName, GivenText>): string {
  const from = given.get(key);
  const value = notesOf(key).secret ? 'has a value (not shown)' : `is '${scrub(from?.text ?? '')}'`;
  return `${key} (${from?.source ?? 'default'}) ${value}; expected ${expected}`;
}

/** What one key demands of another. */
function crossFaults(values: Values): string[] {
  const faults: string[] = [];
  const together = (...keys: KeyName[]) => {
    const missing = keys.filter((key) => values[key] === undefined);
    if (missing.length === 0 || missing.length === keys.length) return;
    faults.push(`${missing.join(', ')} not set; expected all of ${keys.join(', ')}, or none`);
  };
  // The refresh token comes last: `openclaw drive auth` gets it with the other two.
  together('GOOGLE_DRIVE_CLIENT_ID', 'GOOGLE_DRIVE_CLIENT_SECRET');
  if (values.GOOGLE_DRIVE_REFRESH_TOKEN) together('GOOGLE_DRIVE_REFRESH_TOKEN', 'GOOGLE_DRIVE_CLIENT_ID');
  together('GMAIL_ADDRESS', 'GMAIL_APP_PASSWORD');
  // Without it anybody who knows the address could speak as Telegram.
  if (values.TELEGRAM_WEBHOOK_URL && !values.TELEGRAM_WEBHOOK_SECRET) {
    faults.push('TELEGRAM_WEBHOOK_SECRET is not set; expected with TELEGRAM_WEBHOOK_URL');
  }
  return faults;
}
