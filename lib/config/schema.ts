import { z } from 'zod';
import { absolutePath, apiKey, baseUrl, hostAndPort, integer, listOf, matching, oneOf, serverUrl } from './values.ts';

/** What is said of a key beside its type: for `config/.env.example`, `config check` and errors. */
export interface KeyNotes {
  readonly group: string;
  readonly description: string;
  /** The value is never shown, and is taken out of everything that is logged or stored. */
  readonly secret: boolean;
  /** The text that stands for an unset key; undefined where unset means off. */
  readonly default: string | undefined;
}

type Notes = Omit<KeyNotes, 'default' | 'secret'>;

const optional = <S extends z.ZodType>(schema: S, notes: Notes) =>
  schema.optional().meta({ ...notes, secret: false, default: undefined });
const secret = <S extends z.ZodType>(schema: S, notes: Notes) =>
  schema.optional().meta({ ...notes, secret: true, default: undefined });
/** `text` is read like a given value, so that a wrong default cannot hide. */
const defaulted = <T>(schema: z.ZodType<T, string>, text: string, notes: Notes) =>
  schema.prefault(text).meta({ ...notes, secret: false, default: text });

const PLACE = 'Place';
const SERVERS = 'Postgres and Redis';
const WORK = 'Work';
const SCREEN = 'The screen by SSH';
const TELEGRAM = 'Telegram';
const MODELS = 'Models';
const SEARCH = 'Search';
const GITHUB = 'GitHub';
const DRIVE = 'Google Drive';
const BACKUP = 'Backup';
const TUNNEL = 'Cloudflare tunnel';
const MAIL = 'Gmail';
const WATCH = 'Outside watch';

const http = baseUrl('https', 'http');
const postgres = serverUrl(['postgres', 'postgresql']);
const userIds = listOf(',', 'Telegram user ids (whole numbers) with commas between', (item) =>
  /^[1-9]\d{0,14}$/.test(item) ? Number(item) : undefined,
);
const folders = listOf(':', 'absolute folders with colons between', (item) =>
  item.startsWith('/') ? item : undefined,
);

/** Every key there is. A key that is not here is refused, in the file and (`OPENCLAW_…`) in the environment. */
export const SCHEMA = z.object({
  OPENCLAW_HOME: optional(absolutePath, {
    group: PLACE,
    description:
      'The folder of data, logs and configuration; only the environment can set it. Unset: ./var of the code.',
  }),
  OPENCLAW_TASK_DIRS: optional(folders, {
    group: PLACE,
    description: 'Further folders of tasks, beside the built-in ones and those of the home; colons between.',
  }),
  OPENCLAW_LOG_LEVEL: defaulted(oneOf('debug', 'info', 'warn', 'error', 'silent'), 'info', {
    group: PLACE,
    description: 'The least level that is logged: debug, info, warn, error or silent.',
  }),
  OPENCLAW_LOG_FILE: optional(absolutePath, {
    group: PLACE,
    description: 'The file that a worker logs to, rotated; `openclaw up` sets it. Unset: standard error.',
  }),
  OPENCLAW_MASTER_KEY: secret(matching('at least 16 characters', /^\S.{14,}\S$/), {
    group: PLACE,
    description:
      'Opens the credentials store. Better in a systemd credential (openclaw_master_key) or config/master.key.',
  }),

  DATABASE_URL: secret(postgres, {
    group: SERVERS,
    description: 'Postgres, as postgres://user:password@host:port/name. Unset: a private server under the home.',
  }),
  DATABASE_ADMIN_URL: secret(postgres, {
    group: SERVERS,
    description: 'Postgres as a role that may create roles and schemas; used by migrations only. Unset: DATABASE_URL.',
  }),
  REDIS_URL: secret(serverUrl(['redis', 'rediss', 'unix']), {
    group: SERVERS,
    description: 'Redis, as redis://:password@host:port/0. Unset: a private server under the home.',
  }),

  OPENCLAW_CONCURRENCY_MISSIONS: defaulted(integer(1, 256), '8', {
    group: WORK,
    description: 'Jobs that one worker of the pool missions runs at once.',
  }),
  OPENCLAW_CONCURRENCY_UPKEEP: defaulted(integer(1, 256), '4', {
    group: WORK,
    description: 'Jobs that one worker of the pool upkeep runs at once.',
  }),
  OPENCLAW_DRAIN_TIMEOUT_MS: defaulted(integer(100, 600_000, 'milliseconds'), '10000', {
    group: WORK,
    description: 'How long a stopping worker waits for its running jobs before it gives them back, in milliseconds.',
  }),
  OPENCLAW_HOST_ID: optional(matching('letters, digits, . _ and -', /^[A-Za-z0-9._-]{1,63}$/), {
    group: WORK,
    description: "Tells this host apart from others that run workers. Unset: the host's name.",
  }),
  OPENCLAW_FETCH_ALLOW: optional(listOf(',', 'host:port pairs with commas between', hostAndPort), {
    group: WORK,
    description: 'Private addresses that pages may be fetched from all the same, as host:port with commas between.',
  }),

  OPENCLAW_DASHBOARD_HOST: defaulted(matching('an address or a host name', /^[A-Za-z0-9.:_-]{1,253}$/), '127.0.0.1', {
    group: SCREEN,
    description: 'Where the screen is served by SSH (openclaw dashboard).',
  }),
  OPENCLAW_DASHBOARD_PORT: defaulted(integer(0, 65_535), '8501', {
    group: SCREEN,
    description: 'Its port; 0: `openclaw up` does not start it.',
  }),

  TELEGRAM_BOT_TOKEN: secret(matching('a bot token, as 123456:letters, from @BotFather', /^\d+:[A-Za-z0-9_-]{20,}$/), {
    group: TELEGRAM,
    description: 'The token of the bot, from @BotFather. Unset: Telegram is skipped.',
  }),
  TELEGRAM_ALLOWED_USER_IDS: optional(userIds, {
    group: TELEGRAM,
    description: 'Numeric ids of the people who may talk to the bot, with commas between. Unset: nobody.',
  }),
  TELEGRAM_WEBHOOK_URL: optional(baseUrl('https'), {
    group: TELEGRAM,
    description: 'The public https address that Telegram posts to. Unset: long polling.',
  }),
  TELEGRAM_WEBHOOK_SECRET: secret(matching('32 to 256 characters of A-Z a-z 0-9 _ -', /^[A-Za-z0-9_-]{32,256}$/), {
    group: TELEGRAM,
    description: 'Proves that a post comes from Telegram; required with TELEGRAM_WEBHOOK_URL.',
  }),
  OPENCLAW_WEBHOOK_PORT: defaulted(integer(1, 65_535), '8022', {
    group: TELEGRAM,
    description: 'The port of 127.0.0.1 where the webhook listens; a tunnel brings the public address there.',
  }),
  TELEGRAM_BASE_URL: defaulted(http, 'https://api.telegram.org', { group: TELEGRAM, description: 'The Bot API.' }),

  MINIMAX_API_KEY: secret(apiKey, { group: MODELS, description: 'MiniMax. Unset: skipped.' }),
  MINIMAX_BASE_URL: defaulted(http, 'https://api.minimax.io/v1', { group: MODELS, description: 'The API of MiniMax.' }),
  OPENROUTER_API_KEY: secret(apiKey, { group: MODELS, description: 'OpenRouter. Unset: skipped.' }),
  OPENROUTER_BASE_URL: defaulted(http, 'https://openrouter.ai/api/v1', {
    group: MODELS,
    description: 'The API of OpenRouter.',
  }),
  XAI_API_KEY: secret(apiKey, { group: MODELS, description: 'xAI (Grok). Unset: skipped.' }),
  XAI_BASE_URL: defaulted(http, 'https://api.x.ai/v1', { group: MODELS, description: 'The API of xAI.' }),

  LOCAL_MODEL_BASE_URL: optional(http, {
    group: MODELS,
    description:
      'A server of your own with the OpenAI API: http://127.0.0.1:11434/v1 (Ollama), http://127.0.0.1:8080/v1 (llama.cpp). Unset: skipped.',
  }),
  LOCAL_MODEL_API_KEY: secret(apiKey, { group: MODELS, description: 'Where that server wants a key.' }),

  BRAVE_API_KEY: secret(apiKey, { group: SEARCH, description: 'Brave Search. Unset: skipped.' }),
  BRAVE_BASE_URL: defaulted(http, 'https://api.search.brave.com', {
    group: SEARCH,
    description: 'The API of Brave Search.',
  }),
  PERPLEXITY_API_KEY: secret(apiKey, { group: SEARCH, description: 'Perplexity. Unset: skipped.' }),
  PERPLEXITY_BASE_URL: defaulted(http, 'https://api.perplexity.ai', {
    group: SEARCH,
    description: 'The API of Perplexity.',
  }),

  GITHUB_SSH_KEY_PATH: optional(absolutePath, {
    group: GITHUB,
    description: 'The private key that commits are pushed with: a path, never the key itself. Unset: no push.',
  }),
  GITHUB_REPOSITORY: optional(matching('owner/name', /^[\w.-]+\/[\w.-]+$/), {
    group: GITHUB,
    description: 'The repository that the workspace is pushed to, as owner/name. Unset: commits stay here.',
  }),
  GITHUB_KNOWN_HOSTS_PATH: optional(absolutePath, {
    group: GITHUB,
    description: 'A known_hosts file for another server than github.com, whose keys are pinned in the code.',
  }),
  GITHUB_BASE_URL: defaulted(baseUrl('ssh', 'https', 'http', 'file'), 'ssh://git@github.com', {
    group: GITHUB,
    description: 'Where the remote repositories are.',
  }),

  GOOGLE_DRIVE_CLIENT_ID: optional(apiKey, { group: DRIVE, description: 'The OAuth client. Unset: no upload.' }),
  GOOGLE_DRIVE_CLIENT_SECRET: secret(apiKey, { group: DRIVE, description: 'The secret of the OAuth client.' }),
  GOOGLE_DRIVE_REFRESH_TOKEN: secret(apiKey, { group: DRIVE, description: 'The refresh token of the operator.' }),
  GOOGLE_DRIVE_FOLDER_ID: optional(matching('the id of a folder', /^[A-Za-z0-9_-]{5,}$/), {
    group: DRIVE,
    description: 'The folder that backups are put in. Unset: the root of the Drive.',
  }),
  GOOGLE_DRIVE_BASE_URL: defaulted(http, 'https://www.googleapis.com', {
    group: DRIVE,
    description: 'The API of Drive.',
  }),
  GOOGLE_DRIVE_TOKEN_URL: defaulted(http, 'https://oauth2.googleapis.com/token', {
    group: DRIVE,
    description: 'Where access tokens are fetched.',
  }),

  GOOGLE_DRIVE_DEVICE_URL: defaulted(http, 'https://oauth2.googleapis.com/device/code', {
    group: DRIVE,
    description: 'Where `openclaw drive auth` asks for a code.',
  }),

  BACKUP_AGE_RECIPIENT: optional(matching('an age recipient (age1...)', /^age1[0-9a-z]{20,2000}$/), {
    group: BACKUP,
    description: 'Archives are encrypted to this age recipient. Keep its identity elsewhere. Unset: not encrypted.',
  }),
  BACKUP_AGE_IDENTITY_PATH: optional(absolutePath, {
    group: BACKUP,
    description:
      'A file with an age identity that opens the archives, for verify and restore. Unset, as it should be: it is given with --identity.',
  }),

  CLOUDFLARE_API_TOKEN: secret(apiKey, {
    group: TUNNEL,
    description: 'Manages the tunnel. Unset: no tunnel is managed.',
  }),
  CLOUDFLARE_TUNNEL_HOSTNAME: optional(matching('a host name', /^(?=.{1,253}$)([a-z0-9-]{1,63}\.)+[a-z]{2,63}$/i), {
    group: TUNNEL,
    description: 'The public host name of the tunnel.',
  }),
  CLOUDFLARE_BASE_URL: defaulted(http, 'https://api.cloudflare.com/client/v4', {
    group: TUNNEL,
    description: 'The API of Cloudflare.',
  }),

  CLOUDFLARED_METRICS_URL: defaulted(http, 'http://127.0.0.1:20241', {
    group: TUNNEL,
    description: 'Where cloudflared says whether it is ready; on loopback, never elsewhere.',
  }),

  GMAIL_ADDRESS: optional(matching('a mail address', /^[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+$/), {
    group: MAIL,
    description: 'Sends and receives the mail that is the second path of alerts. Unset: skipped.',
  }),
  // Google shows it as four groups with blanks between, and takes it either way.
  GMAIL_APP_PASSWORD: secret(matching('at least 8 printable characters', /^[\x20-\x7e]{8,}$/), {
    group: MAIL,
    description: 'An app password of that account, not its own password.',
  }),
  GMAIL_BASE_URL: defaulted(baseUrl('smtps', 'smtp'), 'smtps://smtp.gmail.com:465', {
    group: MAIL,
    description: 'The mail server.',
  }),

  HEALTHCHECK_PING_URL: secret(matching('an https or http URL', /^https?:\/\/[^\s/@]+\/\S+$/), {
    group: WATCH,
    description: 'Called after each good health run, so that silence is noticed elsewhere. Unset: skipped.',
  }),
});

export type Values = z.output<typeof SCHEMA>;
export type KeyName = keyof Values;

export const KEY_NAMES = Object.keys(SCHEMA.shape) as readonly KeyName[];

export function notesOf(key: KeyName): KeyNotes {
  return SCHEMA.shape[key].meta() as unknown as KeyNotes;
}
