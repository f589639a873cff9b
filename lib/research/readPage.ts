import { OpenClawError } from '../errors/index.ts';
import { guardedFetch } from '../fetch/index.ts';
import { plain } from '../search/index.ts';

export interface Page {
  readonly url: string;
  readonly title: string;
  readonly text: string;
}

const PAGE_BYTES = 700_000;
const TEXT_LIMIT = 16_000;

/**
 * The text of a page that somebody else chose, past its menus: never an address inside (see guardedFetch), never a script run.
 *
 * @throws E_FETCH_*; E_PAGE for what is no text, or has none.
 */
export async function readPage(
  url: string,
  options: { signal?: AbortSignal; allow: readonly string[] },
): Promise<Page> {
  const response = await guardedFetch(url, {
    ...options,
    timeoutMs: 12_000,
    maxBytes: PAGE_BYTES,
    userAgent: 'Mozilla/5.0 (compatible; OpenClaw)',
  });
  if (response.status >= 400) throw new OpenClawError('E_PAGE', `${response.status}`, { value: url });
  const body = response.body.toString('utf8');
  if (/^text\/(plain|markdown|csv)|json$/.test(response.contentType))
    return { url: response.url, title: '', text: paragraphs(body) };
  if (!/html|xml/.test(response.contentType))
    throw new OpenClawError('E_PAGE', `is ${response.contentType || 'of no type'}, expected a text`, { value: url });
  // Both only here: a worker that reads no page does not pay for them.
  const [{ parseHTML }, { Readability }] = await Promise.all([import('linkedom'), import('@mozilla/readability')]);
  const { document } = parseHTML(body);
  const article = new Readability(document as unknown as ConstructorParameters<typeof Readability>[0], {
    maxElemsToParse: 20_000,
    charThreshold: 200,
  }).parse();
  const text = paragraphs(article?.textContent ?? '');
  if (text.length < 80) throw new OpenClawError('E_PAGE', 'has no text to read', { value: url });
  return { url: response.url, title: plain(article?.title, 300), text };
}

function paragraphs(text: string): string {
  return text
    .split(/\n+/)
    .map((line) => plain(line, 4000))
    .filter((line) => line !== '')
    .join('\n')
    .slice(0, TEXT_LIMIT);
}
