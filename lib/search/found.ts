import type { Found } from './types.ts';

const LIMITS = { url: 2000, title: 300, snippet: 2000 };

/** One result as it may be stored and shown: an http(s) address, plain short texts. Undefined where it has no address. */
export function foundOf(raw: { url?: unknown; title?: unknown; snippet?: unknown; date?: unknown }): Found | undefined {
  const url = typeof raw.url === 'string' ? URL.parse(raw.url) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.href.length > LIMITS.url)
    return undefined;
  return {
    url: url.href,
    title: plain(raw.title, LIMITS.title),
    snippet: plain(raw.snippet, LIMITS.snippet),
    date: dateOf(raw.date),
  };
}

/** Without markup (services mark what matched), control characters and what changes the direction of writing. */
export function plain(text: unknown, limit: number): string {
  if (typeof text !== 'string') return '';
  return text
    .replace(/<\/?[a-z][^<>]{0,200}>/gi, '')
    .replace(/&(amp|lt|gt|quot|#x27|#39|nbsp);/g, (_, name: string) => ENTITIES[name] ?? ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
    .slice(0, limit);
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#x27': "'", '#39': "'" };

function dateOf(value: unknown): string | null {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(time) ? new Date(time).toISOString() : null;
}
