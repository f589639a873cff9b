import { type KeyName, notesOf } from './schema.ts';
import type { GivenText } from './sources.ts';

export interface Secret {
  /** The key it was given in, with the part where it is one. */
  readonly name: string;
  readonly value: string;
}

const SERVER_URLS: ReadonlySet<KeyName> = new Set(['DATABASE_URL', 'DATABASE_ADMIN_URL', 'REDIS_URL']);

/**
 * The secrets among the given texts, read from the raw texts so that a value which fails its check is kept out of logs
 * as well. Of a server's URL only the passwords are secret: its host and name are wanted in messages.
 */
export function secretsIn(given: ReadonlyMap<KeyName, GivenText>): Secret[] {
  const secrets = new Map<string, Secret>();
  const add = (name: string, value: string | null | undefined) => {
    if (value && !secrets.has(value)) secrets.set(value, { name, value });
  };
  for (const [key, { text }] of given) {
    if (!notesOf(key).secret) continue;
    if (SERVER_URLS.has(key)) {
      for (const password of passwordsIn(text)) add(`${key} password`, password);
      continue;
    }
    add(key, text);
    if (key === 'GMAIL_APP_PASSWORD') add(`${key} without blanks`, text.replaceAll(' ', ''));
    // The last part of the address is all that is secret in it, and clients quote it alone.
    if (key === 'HEALTHCHECK_PING_URL') add(`${key} path`, /\/([^/?#]{16,})\/?$/.exec(text)?.[1]);
  }
  return [...secrets.values()];
}

/** Of the part before the @, and of libpq's query parameters; as written and decoded. No URL is demanded: it may be a bad one. */
function passwordsIn(text: string): string[] {
  const found = [
    (/^[a-z+]+:\/\/[^:/?#]*:([^/?#]*)@/.exec(text) ?? /^[a-z+]+:\/\/[^:/?#]*:(.*)@/s.exec(text))?.[1],
    ...[...text.matchAll(/[?&](?:password|sslpassword)=([^&#]*)/g)].map((match) => match[1]),
  ];
  return found.flatMap((password) => (password ? [password, decoded(password)] : []));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded: a bare % in a password. The raw text is in the list already.
    return text;
  }
}
