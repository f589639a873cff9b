import { z } from 'zod';
import { plain } from '../search/index.ts';
import { hostOf } from './canonical.ts';

export const SIGNAL_TYPES = ['opportunity', 'risk', 'news', 'release', 'price', 'security', 'regulation'] as const;

const text = (limit: number) => z.string().transform((value) => plain(value, limit));

/** What a model may make of what was read: data of this shape, and nothing else. */
export const EXTRACTED = z.object({
  summary: text(1500),
  signals: z
    .array(
      z.object({
        type: z.enum(SIGNAL_TYPES),
        asset: text(100).pipe(z.string().min(1)),
        title: text(200).pipe(z.string().min(1)),
        confidence: z.number().min(0).max(1),
        rationale: text(1000).pipe(z.string().min(1)),
        suggested_action: text(300),
        risk_level: z.enum(['low', 'medium', 'high']),
        sources: z.array(z.number().int().min(1)).min(1).max(10),
        lasts_hours: z
          .number()
          .min(1)
          .max(24 * 90),
      }),
    )
    .max(8),
});
export type Extracted = z.output<typeof EXTRACTED>;

export interface Source {
  readonly url: string;
  readonly address: string;
  readonly title: string;
  readonly snippet: string;
  readonly date: string | null;
  /** Undefined where the page was not read. */
  readonly text?: string;
}

export interface SignalRow {
  readonly type: string;
  readonly venue: string;
  readonly asset: string;
  readonly confidence: number;
  readonly rationale: string;
  readonly suggested_action: string;
  readonly risk_level: string;
  readonly lasts_hours: number;
  readonly score: number;
  readonly title: string;
  readonly address: string;
  readonly sources: readonly string[];
}

/** One site says it: 0.6 at most, whatever the model believes; two: 0.8; three and more: 0.95. */
const CEILING = [0.6, 0.8, 0.95];

/** The model's signals, held to what was really read: sources that do not exist are dropped, and a signal without one too. */
export function signalsOf(extracted: Extracted, sources: readonly Source[], now: Date): SignalRow[] {
  return extracted.signals.flatMap((signal) => {
    const cited = [...new Set(signal.sources)]
      .map((number) => sources[number - 1])
      .filter((source): source is Source => source !== undefined);
    const main = cited[0];
    if (!main) return [];
    const hosts = new Set(cited.map(({ address }) => hostOf(address)));
    const confidence = round(Math.min(signal.confidence, CEILING[Math.min(hosts.size, CEILING.length) - 1]!));
    return [
      {
        type: signal.type,
        venue: hostOf(main.address),
        asset: signal.asset,
        confidence,
        rationale: signal.rationale,
        suggested_action: signal.suggested_action,
        risk_level: signal.risk_level,
        lasts_hours: signal.lasts_hours,
        score: round(0.6 * confidence + 0.2 * Math.min(1, hosts.size / 3) + 0.2 * newness(main.date, now)),
        title: signal.title,
        address: main.address,
        sources: cited.map(({ url }) => url),
      },
    ];
  });
}

/** Without a model: the pages themselves, as links that somebody should look at. */
export function linksOf(sources: readonly Source[], query: string, asset: string | undefined, now: Date): SignalRow[] {
  return sources.slice(0, 5).map((source, index) => ({
    type: 'link',
    venue: hostOf(source.address),
    asset: asset ?? query.slice(0, 100),
    confidence: 0.3,
    rationale: source.snippet.slice(0, 1000) || source.title || source.url,
    suggested_action: 'Read it.',
    risk_level: 'low',
    lasts_hours: 72,
    score: round(0.18 + 0.1 * (1 - index / 5) + 0.2 * newness(source.date, now)),
    title: (source.title || source.url).slice(0, 300),
    address: source.address,
    sources: [source.url],
  }));
}

/** 1 today, a half after ten days; a page without a date counts as a month old. */
function newness(date: string | null, now: Date): number {
  const days = date === null ? 30 : Math.max(0, (now.getTime() - Date.parse(date)) / 86_400_000);
  return 10 / (10 + days);
}

const round = (value: number) => Math.round(value * 1000) / 1000;
