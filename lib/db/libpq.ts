/** A connection for a program of Postgres: `target` may stand among its arguments, `env` holds the password. */
export interface LibpqConnection {
  readonly target: string;
  readonly env: Record<string, string>;
}

/** The password leaves the URL: arguments can be read by every user of the machine. */
export function libpqConnection(connectionString: string): LibpqConnection {
  // A socket's URL may have no host, which `new URL` refuses.
  const url = new URL(connectionString.replace(/^(\w+:\/\/[^/?#@]*@)\//, '$1localhost/'));
  const password = url.searchParams.get('password') ?? decodeURIComponent(url.password);
  url.password = '';
  url.searchParams.delete('password');
  return { target: url.href, env: password ? { PGPASSWORD: password } : {} };
}
