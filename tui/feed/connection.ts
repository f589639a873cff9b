import pg from 'pg';

/** Where to read, asked anew at each connection: a server that was started again may listen elsewhere. */
export interface Reader {
  url: string;
  /** To take on after the login, where the login may do more. */
  role?: string;
}

const STATEMENT_LIMIT_MS = 1400;
/** A frozen server answers nothing, not even that the statement took too long. With the second between two polls it is noticed within 3 s. */
const ANSWER_LIMIT_MS = 1700;
const CONNECT_LIMIT_MS = 2000;
const DOORBELLS = ['job:ended', 'mission:ended', 'jobs:insert'];

/** A connection that reads only, as the reading role, bounded in time, which rings when something has ended. */
export async function connectReader(
  { url, role }: Reader,
  { onLost, onDoorbell }: { onLost: (client: pg.Client) => void; onDoorbell: () => void },
): Promise<pg.Client> {
  const opened = new pg.Client({
    connectionString: url,
    application_name: 'openclaw/screen',
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: ANSWER_LIMIT_MS,
    statement_timeout: STATEMENT_LIMIT_MS,
    keepAlive: true,
    options: '-c default_transaction_read_only=on -c jit=off -c timezone=UTC',
  });
  // A broken connection is an event; the next poll meets it as its error.
  opened.on('error', () => onLost(opened));
  opened.on('notification', onDoorbell);
  try {
    await opened.connect();
    if (role) await opened.query(`set role ${opened.escapeIdentifier(role)}`);
    await opened.query(DOORBELLS.map((channel) => `listen "${channel}"`).join('; '));
  } catch (error) {
    closeReader(opened);
    throw error;
  }
  return opened;
}

export function closeReader(which: pg.Client): void {
  // A server that is frozen answers no goodbye either: the socket is what has to go.
  void which.end().catch(() => undefined);
  (which as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

/** Tables, views and functions that are there: a part that is not installed yet has no page. */
export async function readRelations(client: pg.Client): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'p', 'm')
     union select proname || '()' from pg_proc where pronamespace = 'public'::regnamespace`,
  );
  return new Set(rows.map((row) => row.name));
}
