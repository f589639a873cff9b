import path from 'node:path';
import { z } from 'zod';

/**
 * A schema that reads one configuration text. `read` answers undefined for a text that it does not accept; `expected`
 * then becomes the fault, worded so that it follows "expected".
 */
export function textOf<T>(expected: string, read: (text: string) => T | undefined) {
  return z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

export function integer(least: number, most: number, unit = '') {
  return textOf(`a whole number from ${least} to ${most}${unit && ` (${unit})`}`, (text) => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  });
}

export function oneOf<const T extends string>(...choices: readonly T[]) {
  return textOf(`one of ${choices.join(', ')}`, (text) => choices.find((choice) => choice === text));
}

export function matching(expected: string, pattern: RegExp) {
  return textOf(expected, (text) => (pattern.test(text) ? text : undefined));
}

/** Printable ASCII without blanks: a key pasted with its line break or its quotes is refused here, not by the service. */
export const apiKey = matching('at least 8 printable characters without blanks', /^[\x21-\x7e]{8,}$/);

export const absolutePath = textOf('an absolute path', (text) =>
  path.isAbsolute(text) && !text.includes('\0') ? path.normalize(text) : undefined,
);

/** The root of a service outside, without the slash at its end; a user or password in it is refused. */
export function baseUrl(...schemes: readonly string[]) {
  return textOf(`a URL (${schemes.join(', ')}) without user, password, query or fragment`, (text) => {
    const url = URL.parse(text);
    if (!url || !schemes.includes(url.protocol.slice(0, -1))) return undefined;
    const sshUser = url.protocol === 'ssh:' ? '' : url.username;
    if (sshUser || url.password || url.search || url.hash) return undefined;
    return text.replace(/\/+$/, '');
  });
}

/** `scheme://user:password@/name?host=/socket/folder` is how libpq writes a Unix socket; URL refuses its empty host. */
export function serverUrl(schemes: readonly string[]) {
  return textOf(`a URL (${schemes.join(', ')}); percent-encode / @ : ? # in its password`, (text) => {
    const url = URL.parse(text.replace(/^([a-z]+:\/\/[^/?#]*@)\//, '$1localhost/'));
    return url && schemes.includes(url.protocol.slice(0, -1)) ? text : undefined;
  });
}

export function listOf<T>(separator: ':' | ',', expected: string, read: (item: string) => T | undefined) {
  return textOf(expected, (text) => {
    const items = text.split(separator).map((item) => item.trim());
    const values: T[] = [];
    for (const item of items) {
      const value = read(item);
      if (value === undefined) return undefined;
      if (!values.includes(value)) values.push(value);
    }
    return values;
  });
}

/** `host:port` in the spelling that URL gives the host: lower case, numbers in dots, IPv6 in brackets. */
export function hostAndPort(text: string): string | undefined {
  const port = /:(\d{1,5})$/.exec(text)?.[1];
  const url = port && !/[/?#@\s]/.test(text) ? URL.parse(`http://${text}/`) : null;
  if (!url || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return `${url.hostname}:${Number(port)}`;
}
