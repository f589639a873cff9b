import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * The text of config/.env with these keys set or taken out; comments, order and all other lines stay. A value that a bare
 * line cannot hold is put in quotes.
 */
export function editEnv(text: string, changes: Readonly<Record<string, string | null>>): string {
  const left = new Map(Object.entries(changes));
  const lines = text.split('\n').flatMap((line) => {
    const key = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line)?.[1];
    if (key === undefined || !(key in changes)) return [line];
    const value = changes[key]!;
    // Of a key that stands there twice the last one counts: only one is kept.
    if (!left.delete(key) || value === null) return [];
    return [`${key}=${quoted(value)}`];
  });
  while (lines.at(-1) === '') lines.pop();
  for (const [key, value] of left) if (value !== null) lines.push(`${key}=${quoted(value)}`);
  return lines.length > 0 ? `${lines.join('\n')}\n` : '';
}

function quoted(value: string): string {
  if (/^[^\s"'`#]+$/.test(value)) return value;
  const quote = ['"', "'", '`'].find((mark) => !value.includes(mark));
  if (quote === undefined) throw new Error('a value that holds all three kinds of quotes cannot be written');
  return `${quote}${value}${quote}`;
}

/** For its owner only from the first moment, and renamed into place. */
export function writeEnv(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const partial = `${file}.new`;
  writeFileSync(partial, text, { mode: 0o600 });
  chmodSync(partial, 0o600);
  renameSync(partial, file);
}

export function readEnvText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
