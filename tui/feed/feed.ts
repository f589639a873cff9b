import pg from 'pg';
import { messageOf } from '../../lib/errors/index.ts';
import { scrub } from '../../lib/log/secrets.ts';
import { closeReader, connectReader, readRelations } from './connection.ts';
import type { Locals } from './locals.ts';
import { ALWAYS, type Section } from './sections.ts';
import { emptyState, type Link, moveRate, RATE_SECONDS, type State } from './state.ts';

export interface Demand {
  readonly sections: readonly Section[];
  readonly missions: readonly number[];
  readonly jobs: readonly number[];
}

export interface FeedOptions {
  /** The URL to read from. `anew`: what it said before is not reachable any more; a server that was started again may listen elsewhere. */
  readonly reader: (anew: boolean) => string;
  /** Sources of this host (crontabs, files), by the name of their section. */
  readonly locals?: Locals;
  readonly pollMs?: number;
  readonly now?: () => number;
  readonly random?: () => number;
}

/** Short, so that the screen is back within 2 s; one screen that knocks once a second is no load. */
const RETRY_MS = { first: 300, max: 1200 };
/** A doorbell may bring a poll forward, but not more often than this. */
const LEAST_GAP_MS = 500;
/** How far back each poll looks for the chart: an end is committed a moment after it happened. */
const RATE_LOOKBACK_S = 5;
const TABLES_EVERY_MS = 30_000;

export interface Feed {
  state: () => State;
  subscribe: (listener: () => void) => () => void;
  /** What a viewer needs from now on; replaces what it asked for before, and is fetched at once. */
  demand: (viewer: object, demand: Demand | undefined) => void;
  /** Tries the link now. */
  retry: () => void;
  /** Something was changed from here: all of it is read again at once, also what is not read at each poll. */
  refresh: () => void;
  setRedis: (link: Link) => void;
  /** Statements sent so far. */
  polls: () => number;
  stop: () => Promise<void>;
}

/**
 * The one source of all viewers: a snapshot a second over one connection that reads only, bounded in time, with what any of
 * them needs. When the database is away the last state stays, the link says so, and it is tried again for ever.
 */
export function openFeed({
  reader,
  locals = {},
  pollMs = 1000,
  now = Date.now,
  random = Math.random,
}: FeedOptions): Feed {
  let state = emptyState(now());
  const listeners = new Set<() => void>();
  const demands = new Map<object, Demand>();
  const texts = new Map<string, string>();
  const askedAt = new Map<string, number>();
  let client: pg.Client | undefined;
  let relations: ReadonlySet<string> | undefined;
  let tablesAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let busy = false;
  let again = false;
  let stopped = false;
  let polls = 0;
  let anew = false;
  let lastPoll = 0;
  let pause = RETRY_MS.first;

  const publish = (next: State) => {
    state = next;
    for (const listener of listeners) listener();
  };

  const schedule = (ms: number) => {
    if (stopped) return;
    clearTimeout(timer);
    timer = setTimeout(() => void poll(), ms);
  };

  /** A doorbell, or a viewer that looks at something else: as soon as is allowed. */
  const hurry = (gapMs: number) => {
    if (busy) again = true;
    else if (client) schedule(Math.max(0, lastPoll + gapMs - now()));
  };

  const connect = async (): Promise<pg.Client> => {
    const url = reader(anew);
    anew = false;
    return connectReader(url, { onLost: lose, onDoorbell: () => hurry(LEAST_GAP_MS) });
  };

  function lose(which: pg.Client): void {
    if (client !== which) return;
    client = undefined;
    closeReader(which);
    if (!busy) schedule(0);
  }

  function wanted(at: number, all: readonly Section[]): Section[] {
    return all.filter(
      (section) =>
        !section.everyS ||
        !texts.has(section.name) ||
        at - (askedAt.get(section.name) ?? 0) >= section.everyS * 1000 - 50,
    );
  }

  async function poll(): Promise<void> {
    if (busy || stopped) return;
    busy = true;
    again = false;
    lastPoll = now();
    try {
      client ??= await connect();
      const used = client;
      if (!relations || now() - tablesAt > TABLES_EVERY_MS) {
        relations = await readRelations(used);
        tablesAt = now();
        state = { ...state, broken: new Map() };
      }
      // Nobody looks: whoever comes asks at once.
      if (demands.size === 0) return;
      try {
        await snapshot(used, relations);
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || !/^(42|22)/.test(error.code ?? '')) throw error;
        // One part that cannot be read must not take the others with it.
        await findBroken(used);
        await snapshot(used, relations);
      }
      pause = RETRY_MS.first;
      schedule(again ? LEAST_GAP_MS : Math.max(0, pollMs - (now() - lastPoll)));
    } catch (error) {
      failed(error);
    } finally {
      busy = false;
    }
  }

  async function findBroken(used: pg.Client): Promise<void> {
    const sections = [...ALWAYS, ...[...demands.values()].flatMap((demand) => demand.sections)];
    const broken = new Map<string, string>();
    for (const { name, sql, needs, local } of sections) {
      if (local || needs?.some((table) => !relations?.has(table))) continue;
      try {
        await used.query(`select $1::bigint[] is null, $2::integer, $3::bigint[] is null, (${sql})::text`, [
          [],
          RATE_LOOKBACK_S,
          [],
        ]);
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        broken.set(name, scrub(error.message).slice(0, 200));
      }
    }
    state = { ...state, broken };
  }

  async function snapshot(used: pg.Client, there: ReadonlySet<string>): Promise<void> {
    const all = new Map<string, Section>();
    for (const section of [...ALWAYS, ...[...demands.values()].flatMap((demand) => demand.sections)])
      all.set(section.name, section);
    const absent = new Set(
      [...all.values()].filter((section) => section.needs?.some((name) => !there.has(name))).map(({ name }) => name),
    );
    const asked = wanted(
      now(),
      [...all.values()].filter(({ name, local }) => !local && !absent.has(name) && !state.broken.has(name)),
    );
    const ids = (of: 'missions' | 'jobs') =>
      [...new Set([...demands.values()].flatMap((demand) => demand[of]))].slice(0, 50);
    const covered =
      state.rate.second === 0
        ? RATE_SECONDS
        : RATE_LOOKBACK_S + Math.min(RATE_SECONDS, Math.ceil((now() - state.at) / 1000));
    polls++;
    const { rows } = await used.query<Record<string, string>>({
      text: `select extract(epoch from clock_timestamp())::text as now, $1::bigint[] is null as a, $2::integer as b, $3::bigint[] is null as c${asked
        .map(({ name, sql }) => `, (${sql})::text as "${name}"`)
        .join('')}`,
      values: [ids('missions'), covered, ids('jobs')],
    });
    const row = rows[0]!;
    const at = now();
    const data: Record<string, unknown> = { ...state.data };
    for (const { name } of asked) {
      askedAt.set(name, at);
      const text = row[name]!;
      if (texts.get(name) === text) continue;
      texts.set(name, text);
      data[name] = JSON.parse(text);
    }
    await readLocals(used, [...all.values()], data, at);
    const second = Math.floor(Number(row.now)) - 1;
    const counts = 'rate' in row ? (JSON.parse(row.rate!) as [number, number, number][]) : [];
    publish({
      ...state,
      data,
      absent,
      at,
      skewMs: Math.abs(Number(row.now) * 1000 - at - state.skewMs) > 500 ? Number(row.now) * 1000 - at : state.skewMs,
      postgres: state.postgres.up ? state.postgres : { up: true, since: at },
      rate:
        'rate' in row
          ? moveRate(
              state.rate,
              second,
              counts.filter(([s]) => s <= second),
              covered,
            )
          : state.rate,
    });
  }

  async function readLocals(
    used: pg.Client,
    all: readonly Section[],
    data: Record<string, unknown>,
    at: number,
  ): Promise<void> {
    for (const { name, everyS = 5, local } of all) {
      if (!local || at - (askedAt.get(name) ?? 0) < everyS * 1000) continue;
      askedAt.set(name, at);
      const value = await locals[name]?.(used).catch((error: unknown) => ({ fault: scrub(messageOf(error)) }));
      const text = JSON.stringify(value ?? null);
      if (texts.get(name) === text) continue;
      texts.set(name, text);
      data[name] = JSON.parse(text);
    }
  }

  function failed(error: unknown): void {
    if (stopped) return;
    // A table that went or came: look again which there are.
    relations = undefined;
    anew = /^(ECONNREFUSED|ENOENT|28P01|E_)/.test((error as { code?: string }).code ?? '');
    if (client) closeReader(client);
    client = undefined;
    const wait = pause * (0.75 + random() / 2);
    pause = Math.min(pause * 2, RETRY_MS.max);
    const since =
      state.postgres.up || state.at === 0 ? (state.at === 0 ? state.postgres.since : now()) : state.postgres.since;
    publish({
      ...state,
      postgres: { up: false, since, error: scrub(messageOf(error)).slice(0, 200), retryAt: now() + wait },
    });
    schedule(wait);
  }

  schedule(0);
  return {
    state: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    demand: (viewer, demand) => {
      const before = demands.get(viewer);
      if (demand) demands.set(viewer, demand);
      else demands.delete(viewer);
      const news = demand?.sections.some(({ name }) => !texts.has(name) && !state.absent.has(name));
      const other = (of: 'missions' | 'jobs') => demand?.[of].some((id) => !before?.[of].includes(id));
      if (news || other('missions') || other('jobs')) hurry(0);
    },
    retry: () => {
      pause = RETRY_MS.first;
      if (!busy) schedule(0);
    },
    refresh: () => {
      askedAt.clear();
      hurry(0);
    },
    setRedis: (redis) => publish({ ...state, redis }),
    polls: () => polls,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      if (client) closeReader(client);
    },
  };
}
