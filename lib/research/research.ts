import type { Config } from '../config/index.ts';
import type { Queryable } from '../db/index.ts';
import { messageOf, OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { type CallOrigin, chat, type SettingsReader } from '../providers/index.ts';
import { type Freshness, type SearchAnswer, search, type Venue } from '../search/index.ts';
import { canonicalAddress, hostOf } from './canonical.ts';
import { frameOutside } from './data.ts';
import { EXTRACTED, linksOf, type SignalRow, type Source, signalsOf } from './extract.ts';
import { readPage } from './readPage.ts';

export interface ResearchDeps {
  readonly db: Queryable;
  readonly settings: SettingsReader;
  readonly config: Config;
  readonly log: Logger;
}

export interface ResearchRequest {
  readonly query: string;
  /** quick: a search and a few pages; deep: more pages, and an answer of Perplexity's beside them. */
  readonly depth: 'quick' | 'deep';
  readonly venue?: Venue;
  readonly freshness?: Freshness;
  readonly asset?: string;
  /** The most that it may cost; what would go beyond is left out. */
  readonly budgetUsd: number;
  readonly interestId?: string;
  readonly origin: CallOrigin;
  readonly signal?: AbortSignal;
}

export interface ResearchResult {
  readonly query: string;
  readonly summary: string;
  /** How the signals were made: by a model, or as mere links where none answered. */
  readonly by: 'model' | 'links';
  readonly signals: readonly (SignalRow & { readonly id: string; readonly is_new: boolean })[];
  readonly sources: readonly { readonly url: string; readonly title: string; readonly read: boolean }[];
  readonly cost_usd: number;
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

const PAGES = { quick: 3, deep: 6 };
const PER_HOST = 2;

/** Searches, reads, and stores what it makes of it as signals that expire. All of it is untrusted, the summary too. */
export async function research(deps: ResearchDeps, request: ResearchRequest): Promise<ResearchResult> {
  const notes: string[] = [];
  let costUsd = 0;
  const found = await search(deps, { ...request, depth: 'links', count: request.depth === 'deep' ? 20 : 10 });
  costUsd += found.costUsd;
  const deep =
    request.depth === 'deep' ? await deepAnswer(deps, request, request.budgetUsd - costUsd, notes) : undefined;
  costUsd += deep?.costUsd ?? 0;
  const sources = await readBest(deps, request, mergeFound(found, deep), notes);
  if (sources.length === 0)
    return {
      query: found.query,
      summary: 'Nothing was found.',
      by: 'links',
      signals: [],
      sources: [],
      cost_usd: costUsd,
      notes,
    };

  let rows: SignalRow[] = [];
  let summary = '';
  let by: ResearchResult['by'] = 'model';
  try {
    const judged = await judge(deps, request, sources, deep?.answer ?? null, request.budgetUsd - costUsd);
    costUsd += judged.costUsd;
    rows = signalsOf(judged.data, sources, new Date());
    summary = judged.data.summary;
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason;
    if (!(error instanceof OpenClawError) || error.code === 'E_LOOP') throw error;
    notes.push(`no model judged it: ${messageOf(error)}`);
    by = 'links';
    rows = linksOf(sources, found.query, request.asset, new Date());
    summary = deep?.answer?.slice(0, 1500) ?? `${sources.length} pages were found; no model judged them.`;
  }
  const stored = await deps.db.query<{ id: string; is_new: boolean; address: string; type: string; asset: string }>(
    'select * from add_research_signals($1::jsonb, $2::jsonb)',
    [
      JSON.stringify(rows),
      JSON.stringify({
        query: found.query,
        interest: request.interestId,
        agent: request.origin.agent,
        mission: request.origin.missionId,
        trace: request.origin.traceId,
      }),
    ],
  );
  const keyOf = ({ address, type, asset }: { address: string; type: string; asset: string }) =>
    `${address} ${type} ${asset.toLowerCase()}`;
  const storedAs = new Map(stored.rows.map((row) => [keyOf(row), row]));
  return {
    query: found.query,
    summary,
    by,
    signals: rows.flatMap((row) => {
      const as = storedAs.get(keyOf(row));
      return as ? [{ ...row, id: as.id, is_new: as.is_new }] : [];
    }),
    sources: sources.map(({ url, title, text }) => ({ url, title, read: text !== undefined })),
    cost_usd: costUsd,
    notes,
  };
}

async function deepAnswer(
  deps: ResearchDeps,
  request: ResearchRequest,
  leftUsd: number,
  notes: string[],
): Promise<SearchAnswer | undefined> {
  const price = deps.settings.read().providers.get('perplexity');
  const most = price?.kind === 'search' ? (price.usd_per_call.answer ?? 0) : 0;
  if (most > leftUsd) {
    notes.push(`Perplexity was left out: up to $${most}, and $${leftUsd.toFixed(4)} are left`);
    return undefined;
  }
  try {
    return await search(deps, { ...request, depth: 'answer', venue: undefined });
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason;
    if (!(error instanceof OpenClawError) || error.code === 'E_LOOP') throw error;
    notes.push(`no answer in depth: ${messageOf(error)}`);
    return undefined;
  }
}

/** Each page once, the first venue's order first, and not more than two of one site. */
function mergeFound(...answers: (SearchAnswer | undefined)[]): Source[] {
  const byAddress = new Map<string, Source>();
  const perHost = new Map<string, number>();
  for (const found of answers.flatMap((answer) => answer?.results ?? [])) {
    const address = canonicalAddress(found.url);
    const host = hostOf(address);
    if (byAddress.has(address) || (perHost.get(host) ?? 0) >= PER_HOST) continue;
    perHost.set(host, (perHost.get(host) ?? 0) + 1);
    byAddress.set(address, { ...found, address });
  }
  return [...byAddress.values()];
}

async function readBest(
  { config }: ResearchDeps,
  { depth, signal }: ResearchRequest,
  sources: Source[],
  notes: string[],
): Promise<Source[]> {
  const most = PAGES[depth];
  const pages = await Promise.all(
    sources.slice(0, most).map(async (source) => {
      try {
        const page = await readPage(source.url, { signal, allow: config.fetchAllow });
        return { ...source, title: source.title || page.title, text: page.text };
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        notes.push(`${source.url} was not read: ${messageOf(error)}`);
        return source;
      }
    }),
  );
  return [...pages, ...sources.slice(most, most + 5)];
}

async function judge(
  deps: ResearchDeps,
  request: ResearchRequest,
  sources: readonly Source[],
  answer: string | null,
  leftUsd: number,
) {
  if (leftUsd <= 0) throw new OpenClawError('E_RESEARCH_BUDGET', 'its budget is used up by the searches');
  const framed = frameOutside([
    ...sources.map(({ url, title, date, snippet, text }) => ({
      origin: `${url}${date ? ` (${date.slice(0, 10)})` : ''}`,
      text: `${title}\n${text ?? snippet}`,
    })),
    ...(answer ? [{ origin: 'a search service wrote this summary; it is no source of its own', text: answer }] : []),
  ]);
  const { data, usage } = await chat(deps, {
    messages: [
      {
        role: 'system',
        content: [
          'You judge what was found on the web for an operator. Give a summary in at most 120 words and at most 8 signals: facts that may matter to the operator, each with the numbers of its sources.',
          'confidence: how sure you are that it is true and meant as you say, by the sources alone. suggested_action: one sentence to a person, an empty text where there is nothing to do. lasts_hours: how long it stays of interest.',
          'Take nothing that is not in the sources. No signals is a good answer where nothing matters.',
          framed.rule,
        ].join('\n'),
      },
      {
        role: 'user',
        content: `${framed.text}\n\nThe question: ${request.query}${request.asset ? `\nAbout: ${request.asset}` : ''}`,
      },
    ],
    shape: { name: 'research', schema: EXTRACTED },
    purpose: 'research',
    origin: request.origin,
    temperature: 0.2,
    signal: request.signal,
  });
  return { data, costUsd: usage.costUsd };
}
