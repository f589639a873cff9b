import type { CallOrigin } from '../providers/index.ts';

export const VENUES = ['brave', 'perplexity'] as const;
export type Venue = (typeof VENUES)[number];
export const FRESHNESS = ['day', 'week', 'month', 'year'] as const;
export type Freshness = (typeof FRESHNESS)[number];

export interface SearchRequest {
  readonly query: string;
  /** links: pages; answer: a text with its sources, which costs ten times as much. */
  readonly depth: 'links' | 'answer';
  readonly venue?: Venue;
  readonly count?: number;
  readonly freshness?: Freshness;
  readonly origin: CallOrigin;
  readonly signal?: AbortSignal;
}

export interface Found {
  readonly url: string;
  readonly title: string;
  readonly snippet: string;
  /** ISO, where the service says one. */
  readonly date: string | null;
}

export interface SearchAnswer {
  readonly venue: Venue;
  readonly query: string;
  readonly results: readonly Found[];
  /** With [1] for the first result; null for links. */
  readonly answer: string | null;
  readonly cached: boolean;
  readonly costUsd: number;
  readonly searchedAt: string;
}

/** What one service gave, before it is stored. */
export interface VenueAnswer {
  readonly results: readonly Found[];
  readonly answer: string | null;
  /** Where the service says what it cost. */
  readonly costUsd?: number;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
}
