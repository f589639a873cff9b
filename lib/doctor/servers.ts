import { execFile } from 'node:child_process';
import path from 'node:path';
import { LOGIN_ROLES, migrationState, OWNER } from '../db/index.ts';
import { listeningSockets } from '../host/listeningSockets.ts';
import { sampleMemory } from '../host/memory.ts';
import { connectRedis } from '../servers/index.ts';
import { type Ailment, type Examination, fail, ok, type Patient, skipped, warn } from './types.ts';

/** Only while Postgres answers. */
const withDatabase = (
  id: string,
  title: string,
  look: (db: Patient['db'] & {}, patient: Patient) => Promise<Ailment>,
): Examination => ({
  id,
  title,
  look: async (patient) => (patient.db ? look(patient.db, patient) : skipped('Postgres does not answer')),
});

const OLDEST = 15;

export const serverExaminations: readonly Examination[] = [
  {
    id: 'postgres',
    title: 'Postgres answers and is new enough',
    look: async ({ postgres }) => {
      if (!postgres) return fail('it does not answer', 'openclaw up --detach; docs/runbooks/postgres-gone.md');
      const text = `${postgres.version}, ${postgres.origin}`;
      return Number.parseInt(postgres.version, 10) < OLDEST ? fail(text, `PostgreSQL ${OLDEST} or newer`) : ok(text);
    },
  },
  withDatabase('schema', 'the schema is of this version', async (db) => {
    const { version, expected } = await migrationState(db);
    if (version === expected) return ok(`version ${version}`);
    return fail(
      `version ${version}, this code has ${expected}`,
      version < expected ? 'openclaw up, or openclaw migrate' : 'the code is older than the database: openclaw upgrade',
    );
  }),
  withDatabase('roles', 'the roles are there', async (db) => {
    const wanted = [OWNER, ...LOGIN_ROLES];
    const { rows } = await db.query<{ rolname: string }>('select rolname from pg_roles where rolname = any ($1)', [
      wanted,
    ]);
    const missing = wanted.filter((name) => !rows.some(({ rolname }) => rolname === name));
    return missing.length > 0
      ? warn(
          `missing: ${missing.join(', ')}`,
          'ask an administrator of the server to create them; see ARCHITECTURE.md, Roles',
        )
      : ok(wanted.join(', '));
  }),
  withDatabase('role_rights', 'no role may more than it should', async (db) => {
    const { rows } = await db.query<{ rolname: string; what: string }>(
      `select rolname, concat_ws(' ', case when rolsuper then 'superuser' end, case when rolcreatedb then 'createdb' end, case when rolcreaterole then 'createrole' end,
                case when rolreplication then 'replication' end, case when rolbypassrls and rolname <> 'openclaw_backup' then 'bypassrls' end,
                case when rolcanlogin and rolname = '${OWNER}' then 'login' end) as what
       from pg_roles where rolname = any ($1)`,
      [[OWNER, 'binaryrogue', 'openclaw_tui', 'openclaw_backup', 'openclaw_worker']],
    );
    const wrong = rows.filter(({ what }) => what);
    return wrong.length > 0
      ? fail(wrong.map(({ rolname, what }) => `${rolname}: ${what}`).join('; '), 'alter role … as a superuser')
      : ok('as designed');
  }),
  withDatabase('invalid_indexes', 'no index is broken', async (db) => {
    const { rows } = await db.query<{ name: string }>(
      'select indexrelid::regclass::text as name from pg_index where not indisvalid',
    );
    return rows.length > 0
      ? fail(rows.map(({ name }) => name).join(', '), 'reindex index concurrently <name>')
      : ok('none');
  }),
  withDatabase('clock', 'nobody has set the clock', async (db) => {
    const { rows } = await db.query<{ at: Date }>('select at from clock_override');
    return rows[0]
      ? fail(
          `clock_override says ${rows[0].at.toISOString()}`,
          'delete from clock_override, as the superuser: it is for tests',
        )
      : ok('the server’s own');
  }),
  {
    id: 'pg_dump',
    title: 'pg_dump is of the server’s major version',
    look: async ({ postgres }) => {
      if (!postgres) return skipped('Postgres does not answer');
      const major = Number.parseInt(postgres.version, 10);
      if (!postgres.binDir)
        return fail(`there is none of version ${major}`, `apt-get install postgresql-client-${major}`);
      const said = await outputOf(path.join(postgres.binDir, 'pg_dump'), ['--version'], postgres.env);
      const dump = Number(/(\d+)/.exec(said)?.[1]);
      return dump === major
        ? ok(said)
        : fail(`${said}, the server is ${major}`, `apt-get install postgresql-client-${major}`);
    },
  },
  {
    id: 'redis',
    title: 'Redis answers',
    look: async ({ redis }) =>
      redis
        ? ok(`${redis.version ?? 'version unknown'}, ${redis.origin}`)
        : fail('it does not answer', 'openclaw up --detach; docs/runbooks/redis-gone.md'),
  },
  {
    id: 'redis_policy',
    title: 'Redis throws no key away',
    look: async ({ redis }) => {
      if (!redis) return skipped('Redis does not answer');
      const policy = await redisPolicy(redis.url);
      if (policy === undefined) return skipped('CONFIG is not allowed to us');
      return policy === 'noeviction'
        ? ok(policy)
        : fail(`maxmemory-policy ${policy}`, 'maxmemory-policy noeviction in redis.conf');
    },
  },
  {
    id: 'listeners',
    title: 'the servers listen on loopback only',
    look: async () => {
      const beyond = (await listeningSockets()).filter(
        ({ port, address }) => [5432, 6379, 8022, 8501, 20241].includes(port) && !isLoopback(address),
      );
      return beyond.length > 0
        ? fail(
            beyond.map(({ address, port }) => `${address}:${port}`).join(', '),
            'bind them to 127.0.0.1; openclaw security audit says more',
          )
        : ok('none beyond');
    },
  },
  {
    id: 'time_sync',
    title: 'the clock is kept by a time service',
    look: async () => {
      const said = await outputOf('timedatectl', ['show', '-p', 'NTPSynchronized', '--value']).catch(() => '');
      if (said === 'yes') return ok('synchronized');
      return said === 'no' ? warn('not synchronized', 'timedatectl set-ntp true') : skipped('no timedatectl here');
    },
  },
  {
    id: 'memory',
    title: 'memory for all of it',
    look: async () => {
      const { total_bytes: total } = await sampleMemory();
      const gigabytes = total / 2 ** 30;
      return gigabytes < 0.9
        ? warn(`${gigabytes.toFixed(1)} GB in all`, 'openclaw up needs about 250 MB, as units about 1 GB')
        : ok(`${gigabytes.toFixed(1)} GB in all`);
    },
  },
];

export function isLoopback(address: string): boolean {
  return /^(127\.|::1$|\[::1\]$|::ffff:127\.)/.test(address) || address === 'localhost';
}

export async function redisPolicy(url: string): Promise<string | undefined> {
  const client = connectRedis(url, { retryStrategy: null, maxRetriesPerRequest: 0, connectTimeout: 2000 });
  // The command below reports what breaks.
  client.on('error', () => undefined);
  try {
    const answer = (await client.config('GET', 'maxmemory-policy')) as string[];
    return answer[1];
  } catch (error) {
    if (/^(NOPERM|ERR)\b/.test((error as Error).message)) return undefined;
    throw error;
  } finally {
    client.disconnect();
  }
}

export function outputOf(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 10_000, env: { ...process.env, ...env } }, (error, stdout) =>
      error ? reject(error) : resolve(stdout.trim()),
    );
  });
}
