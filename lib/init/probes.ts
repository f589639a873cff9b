import { spawn } from 'node:child_process';
import type { KeyName } from '../config/schema.ts';
import { messageOf } from '../errors/index.ts';

export interface Asked {
  readonly key: KeyName;
  readonly question: string;
  /** Where it is had from, for whoever has none yet. */
  readonly lead?: string;
  readonly hidden: boolean;
  /** Tries the value at the service. @returns what it said. @throws when it does not take it. */
  readonly probe?: (value: string, all: Readonly<Record<string, string | undefined>>) => Promise<string>;
}

const LIMIT_MS = 10_000;

async function get(url: string, headers: Record<string, string>): Promise<Record<string, unknown>> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(LIMIT_MS) });
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trim());
  return body;
}

const base = (all: Readonly<Record<string, string | undefined>>, key: string, preset: string) => all[key] || preset;

/** A key that opens the list of models: an OpenAI-like service. */
const models =
  (baseKey: string, preset: string) => async (value: string, all: Readonly<Record<string, string | undefined>>) => {
    const body = await get(`${base(all, baseKey, preset)}/models`, { authorization: `Bearer ${value}` });
    return `${Array.isArray(body.data) ? body.data.length : 'some'} models`;
  };

/** In the order in which they are asked. Each is tried at the address that the configuration names. */
export const ASKED: readonly Asked[] = [
  {
    key: 'TELEGRAM_BOT_TOKEN',
    lead: 'Telegram: open a chat with @BotFather there, write /newbot and choose two names; it answers with a token.',
    question: 'Telegram: the token of your bot',
    hidden: true,
    probe: async (value, all) => {
      const body = await get(`${base(all, 'TELEGRAM_BASE_URL', 'https://api.telegram.org')}/bot${value}/getMe`, {});
      return `it is @${String((body.result as { username?: string } | undefined)?.username)}`;
    },
  },
  {
    key: 'TELEGRAM_ALLOWED_USER_IDS',
    question: 'Telegram: user ids to let in (Enter: you pair by a code)',
    hidden: false,
  },
  {
    key: 'MINIMAX_API_KEY',
    question: 'MiniMax: API key',
    hidden: true,
    probe: models('MINIMAX_BASE_URL', 'https://api.minimax.io/v1'),
  },
  {
    key: 'OPENROUTER_API_KEY',
    question: 'OpenRouter: API key',
    hidden: true,
    // Its list of models is public; this one is not.
    probe: async (value, all) => {
      await get(`${base(all, 'OPENROUTER_BASE_URL', 'https://openrouter.ai/api/v1')}/key`, {
        authorization: `Bearer ${value}`,
      });
      return 'the key is known';
    },
  },
  { key: 'XAI_API_KEY', question: 'xAI: API key', hidden: true, probe: models('XAI_BASE_URL', 'https://api.x.ai/v1') },
  {
    key: 'BRAVE_API_KEY',
    question: 'Brave Search: API key (the try costs one search)',
    hidden: true,
    probe: async (value, all) => {
      await get(`${base(all, 'BRAVE_BASE_URL', 'https://api.search.brave.com')}/res/v1/web/search?q=openclaw&count=1`, {
        'x-subscription-token': value,
      });
      return 'a search went well';
    },
  },
  {
    key: 'PERPLEXITY_API_KEY',
    question: 'Perplexity: API key (the try costs one search)',
    hidden: true,
    probe: async (value, all) => {
      const response = await fetch(`${base(all, 'PERPLEXITY_BASE_URL', 'https://api.perplexity.ai')}/search`, {
        method: 'POST',
        headers: { authorization: `Bearer ${value}`, 'content-type': 'application/json' },
        body: JSON.stringify({ query: 'openclaw', max_results: 1 }),
        signal: AbortSignal.timeout(LIMIT_MS),
      });
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trim());
      return 'a search went well';
    },
  },
  { key: 'GMAIL_ADDRESS', question: 'Mail: a Gmail address, the second path of alerts', hidden: false },
  {
    key: 'GMAIL_APP_PASSWORD',
    question: 'Mail: an app password of that account',
    hidden: true,
    probe: (value, all) =>
      smtpLogin(
        base(all, 'GMAIL_BASE_URL', 'smtps://smtp.gmail.com:465'),
        all.GMAIL_ADDRESS ?? '',
        value.replaceAll(' ', ''),
      ),
  },
  {
    key: 'HEALTHCHECK_PING_URL',
    question: 'Outside watch: address to ping (healthchecks.io, say)',
    hidden: true,
    probe: async (value) => {
      const response = await fetch(value, { signal: AbortSignal.timeout(LIMIT_MS) });
      if (!response.ok) throw new Error(`${response.status}`);
      return 'it took a ping';
    },
  },
  { key: 'CLOUDFLARE_TUNNEL_HOSTNAME', question: 'Tunnel: its public host name', hidden: false },
];

/** curl logs in as the second path does; the password goes by standard input. */
function smtpLogin(server: string, address: string, password: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('curl', ['-sS', '--max-time', '15', '-K', '-', '--url', server, '-X', 'NOOP'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve('the mail server lets in')
        : reject(new Error(messageOf(said.trim() || `curl ended with ${code}`))),
    );
    child.stdin.on('error', () => undefined);
    child.stdin.end(`user = "${`${address}:${password}`.replace(/[\\"]/g, '\\$&')}"\n`);
  });
}
