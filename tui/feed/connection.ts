import pg from 'pg';

const STATEMENT_LIMIT_MS = 1400;
/** A frozen server answers nothing, not even that the statement took too long. With the second between two polls it is noticed within 3 s. */
const ANSWER_LIMIT_MS = 1700;
const CONNECT_LIMIT_MS = 2000;
const DOORBELLS = ['job:ended', 'mission:ended', 'jobs:insert'];

/** The role to read in, where the login may do more. */
const ROLE = 'openclaw_tui';

/** A connection that reads only, as the reading role, bounded in time, which rings when something has ended. */
export async function connectReader(
  url: string,
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
    await opened.query(
      [
        `select set_config('role', rolname, false) from pg_roles where rolname = '${ROLE}' and pg_has_role(current_user, oid, 'member')`,
        ...DOORBELLS.map((channel) => `listen "${channel}"`),
      ].join('; '),
    );
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
