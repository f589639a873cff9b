/** Telegram's HTML needs these three only. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

export const bold = (text: string) => `<b>${escapeHtml(text)}</b>`;
export const code = (text: string) => `<code>${escapeHtml(text)}</code>`;
/** Columns stay columns. */
export const pre = (text: string) => `<pre>${escapeHtml(text)}</pre>`;

/** What is left of HTML that Telegram did not take. */
export function plainOf(html: string): string {
  return html
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&');
}

/** Telegram counts 4,096 after the entities are parsed; the margin is for tags that are closed and opened again. */
export const LENGTH_LIMIT = 4096;
const ROOM = LENGTH_LIMIT - 96;

/**
 * Texts of at most 4,096 characters, cut at line ends where there are any, else anywhere but inside a tag, an entity or a
 * character. Tags that are open at a cut are closed before it and opened again after it.
 */
export function splitMessage(text: string, isHtml: boolean): string[] {
  if (text.length <= LENGTH_LIMIT) return [text];
  const parts: string[] = [];
  let rest = text;
  let open: string[] = [];
  while (rest.length > 0) {
    const prefix = open.join('');
    if (prefix.length + rest.length <= LENGTH_LIMIT) {
      parts.push(prefix + rest);
      break;
    }
    const at = cutAt(rest, ROOM - prefix.length, isHtml);
    const piece = rest.slice(0, at);
    rest = rest.slice(at).replace(/^\n/, '');
    const still = isHtml ? openTags(open, piece) : [];
    const closing = still
      .map((tag) => `</${/^<([a-z-]+)/.exec(tag)![1]}>`)
      .reverse()
      .join('');
    const whole = prefix + piece + closing;
    // Telegram refuses a message of blanks.
    if (plainOf(whole).trim()) parts.push(whole);
    open = still;
  }
  return parts;
}

function cutAt(text: string, limit: number, isHtml: boolean): number {
  const line = text.lastIndexOf('\n', limit);
  if (line > limit / 2) return line;
  let at = limit;
  const blank = text.lastIndexOf(' ', limit);
  if (blank > limit - 200) at = blank;
  if (isHtml) {
    const tag = text.lastIndexOf('<', at - 1);
    if (tag >= 0 && text.indexOf('>', tag) >= at) at = tag;
    const entity = /&[a-z#0-9]{0,6}$/.exec(text.slice(Math.max(0, at - 8), at));
    if (entity) at -= entity[0].length;
  }
  // Half of a pair is no character.
  if (/[\ud800-\udbff]/.test(text[at - 1] ?? '')) at -= 1;
  return Math.max(1, at);
}

function openTags(before: readonly string[], piece: string): string[] {
  const open = [...before];
  for (const [tag, slash] of piece.matchAll(/<(\/?)[a-z-]+[^>]*>/g)) {
    if (slash) open.pop();
    else open.push(tag);
  }
  return open;
}
