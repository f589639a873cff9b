import { EXIT } from '../errors/index.ts';
import { chat, isConfigured, type Provider, settingsOf } from '../providers/index.ts';
import { search } from '../search/index.ts';
import { textTable, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

interface Cooling {
  provider: string;
  model: string;
  fault: string;
  message: string;
  failures: number;
  until_at: Date;
}

interface Row {
  id: string;
  provider: string;
  kind: string;
  state: string;
  price: string;
  window: string;
  until: string | null;
  note: string;
}

export const providerActions: readonly Action[] = [
  {
    name: 'providers list',
    title: 'Models and search services: order, prices, who cools down until when, and faults of their files',
    who: 'viewer',
    danger: 'none',
    run: async ({ db, config, log }) => {
      const { providers, failover, faults } = settingsOf(config, log).read();
      const cooling = await db.query<Cooling>('select * from ops_model_cooldowns');
      const windows = await db.query<{
        service: string;
        seconds: number;
        most: string;
        remaining: string;
        resets_at: Date;
      }>(
        'select service, seconds, most, remaining, resets_at from ops_service_windows where seconds > 0 and resets_at > clock_now() order by service, seconds',
      );
      const rows = [...providers.values()].flatMap((provider) => rowsOf(provider, failover.order, cooling.rows));
      rows.sort((a, b) => rank(a.id, failover.order) - rank(b.id, failover.order) || a.id.localeCompare(b.id));
      const table = textTable(
        ['asked', 'model or service', 'state', 'usd', 'window', 'note'],
        rows.map((row) => [order(row.id, failover.order), row.id, row.state, row.price, row.window, row.note]),
      );
      const limits = windows.rows.map(
        ({ service, seconds, most, remaining, resets_at }) =>
          `${service}: ${remaining} of ${most} calls left in ${span(seconds)}, until ${timeText(resets_at)}`,
      );
      return {
        json: {
          providers: rows,
          order: failover.order,
          cooldown_minutes: failover.cooldown_minutes,
          windows: windows.rows,
          faults,
        },
        text: [table, ...limits, ...faults.map((fault) => `faulty: ${fault} (the last good one is in force)`)].join(
          '\n',
        ),
        exitCode: faults.length > 0 ? EXIT.degraded : EXIT.ok,
      };
    },
  },
  {
    name: 'providers test',
    title: 'Asks each configured model and search service one small question; costs a fraction of a cent',
    args: [{ name: 'provider', description: 'only this one', optional: true }],
    who: 'operator',
    danger: 'none',
    run: async (context, { args }) => {
      const settings = settingsOf(context.config, context.log).read();
      const wanted = [...settings.providers.values()].filter(({ name }) => args[0] === undefined || name === args[0]);
      const results = await Promise.all(wanted.map((provider) => tryOne(context, provider)));
      const failed = results.some(({ state }) => state === 'fail');
      return {
        json: results,
        text: textTable(
          ['provider', 'state', 'ms', 'what it said'],
          results.map(({ provider, state, ms, note }) => [provider, state, ms, note]),
          `no provider "${args[0]}" (openclaw providers list)`,
        ),
        exitCode: failed || results.length === 0 ? EXIT.failed : EXIT.ok,
      };
    },
  },
  {
    name: 'providers reset',
    title: 'Ends the pauses of a provider at once: after a new key, or a bill that was paid',
    args: [{ name: 'provider', description: 'its name' }],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ ended: number }>('select reset_model($1) as ended', [args[0]]);
      const { ended } = rows[0]!;
      return {
        json: { provider: args[0], ended },
        text: ended > 0 ? `${args[0]} is asked again` : `${args[0]} does not cool down`,
      };
    },
  },
];

function rowsOf(provider: Provider, inOrder: readonly string[], cooling: readonly Cooling[]): Row[] {
  const configured = isConfigured(provider);
  const base = configured ? 'ready' : provider.enabled ? 'skipped' : 'switched off';
  if (provider.kind === 'search') {
    const prices = Object.entries(provider.usd_per_call).map(([what, usd]) => `${what} ${usd}`);
    return [
      {
        id: provider.name,
        provider: provider.name,
        kind: 'search',
        state: base,
        price: prices.join(', '),
        window: `${provider.calls_per_second}/s`,
        until: null,
        note: configured ? '' : keyOf(provider),
      },
    ];
  }
  return Object.entries(provider.models).map(([model, facts]) => {
    const id = `${provider.name}/${model}`;
    const pause = cooling.find((row) => row.provider === provider.name && row.model === model);
    const price = facts.usd_per_million;
    const waits = pause && pause.until_at.getTime() > Date.now();
    return {
      id,
      provider: provider.name,
      kind: 'chat',
      state: !configured ? base : waits ? 'cooling' : pause ? 'to be probed' : 'ready',
      price: price ? `${price.input}/${price.output} per M` : 'unknown: refused',
      window: `${Math.round(facts.context_tokens / 1000)}k`,
      until: pause?.until_at.toISOString() ?? null,
      note: pause
        ? `${pause.fault} (${pause.failures}x)${waits ? ` until ${timeText(pause.until_at)}` : ''}`
        : configured
          ? inOrder.includes(id)
            ? ''
            : 'only by name'
          : keyOf(provider),
    };
  });
}

const KEYS: Record<string, string> = {
  minimax: 'MINIMAX_API_KEY',
  openrouter: 'OPENROUTER_API_KEY',
  xai: 'XAI_API_KEY',
  local: 'LOCAL_MODEL_BASE_URL',
  brave: 'BRAVE_API_KEY',
  perplexity: 'PERPLEXITY_API_KEY',
};
const keyOf = ({ service }: Provider) => `set ${KEYS[service]} in config/.env`;
const rank = (id: string, inOrder: readonly string[]) => (inOrder.includes(id) ? inOrder.indexOf(id) : 1000);
const order = (id: string, inOrder: readonly string[]) =>
  inOrder.includes(id) ? String(inOrder.indexOf(id) + 1) : '-';
const span = (seconds: number) =>
  seconds < 60
    ? `${seconds} s`
    : seconds < 172_800
      ? `${Math.round(seconds / 3600)} h`
      : `${Math.round(seconds / 86_400)} days`;

interface Tried {
  provider: string;
  state: 'pass' | 'fail' | 'skipped';
  ms: number | null;
  note: string;
}

/** By the same way as any call: reserved, priced and recorded. */
async function tryOne(context: ActionContext, provider: Provider): Promise<Tried> {
  if (!isConfigured(provider)) return { provider: provider.name, state: 'skipped', ms: null, note: keyOf(provider) };
  const started = performance.now();
  const settings = settingsOf(context.config, context.log);
  const origin = { run: `test:${provider.name}:${Date.now()}` };
  const { db, log, signal } = context;
  try {
    const note =
      provider.kind === 'chat'
        ? await chat(
            { db, log, settings },
            {
              messages: [{ role: 'user', content: 'Answer with the one word: ready' }],
              purpose: 'test',
              origin,
              model: provider.name,
              outputTokens: 512,
              signal,
            },
          ).then(({ text, model }) => `${model}: ${text.slice(0, 60)}`)
        : await search(
            { db, log, settings },
            {
              query: `openclaw ${new Date().toISOString().slice(0, 16)}`,
              depth: 'links',
              venue: provider.name as 'brave',
              count: 1,
              origin,
              signal,
            },
          ).then(({ results }) => `${results.length} result${results.length === 1 ? '' : 's'}`);
    return { provider: provider.name, state: 'pass', ms: Math.round(performance.now() - started), note };
  } catch (error) {
    const { message, faults = [] } = error as Error & { faults?: readonly string[] };
    return {
      provider: provider.name,
      state: 'fail',
      ms: Math.round(performance.now() - started),
      note: faults[0] ?? message,
    };
  }
}
