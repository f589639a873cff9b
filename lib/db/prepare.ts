import pg from 'pg';
import type { PostgresServer } from '../servers/types.ts';
import { MIGRATION_LOCK, type MigrateResult, migrate } from './migrate.ts';
import { OWNER, provisionRoles, type RolesResult } from './roles.ts';

export const DATABASE = 'openclaw';

export interface PreparedDatabase extends RolesResult, MigrateResult {
  /** For the worker, the command line and migrations; holds a password. */
  workerUrl: string;
  /** Reads only. The worker's own URL where roles could not be made: the caller must then set the session read-only. */
  readerUrl: string;
  adminUrl: string;
}

export interface PrepareOptions {
  database?: string;
  /** For migrations, where the configured user is not the one for them. */
  adminUrl?: string;
  /** The roles to have; for tests. */
  roles?: readonly string[];
}

/** From a running server to a migrated database with its roles; run at every start, and twice at once is safe. */
export async function prepareDatabase(server: PostgresServer, options: PrepareOptions = {}): Promise<PreparedDatabase> {
  const { database = DATABASE } = options;
  const isPrivate = server.origin !== 'configured';
  const adminUrl = options.adminUrl ?? (isPrivate ? server.urlFor('postgres', database) : server.adminUrl);
  const roles = isPrivate
    ? await prepareCluster(server, database, options.roles)
    : await withClient(adminUrl, (client) => provisionRoles(client, () => undefined, options.roles));
  if (isPrivate) await withClient(adminUrl, (client) => settlePrivate(client, database));
  else await withClient(adminUrl, (client) => settleConfigured(client, roles.separate));
  const migrated = await migrate(adminUrl, { asOwner: roles.separate });
  if (isPrivate) await withClient(adminUrl, handOverLogs);
  return {
    ...roles,
    ...migrated,
    adminUrl,
    workerUrl: isPrivate ? server.urlFor('openclaw_worker', database) : server.adminUrl,
    readerUrl: isPrivate ? server.urlFor('openclaw_tui', database) : server.adminUrl,
  };
}

/** Roles and the database itself, one starter at a time: Postgres refuses two who alter one role at once. */
function prepareCluster(server: PostgresServer, database: string, roles?: readonly string[]): Promise<RolesResult> {
  return withClient(server.urlFor('postgres', 'postgres'), async (client) => {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const provisioned = await provisionRoles(client, (role) => server.password(role), roles);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (!rowCount) await client.query(`create database ${client.escapeIdentifier(database)}`);
    return provisioned;
  });
}

/** The end of the session gives its advisory lock back, whatever happens. */
async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'openclaw/prepare' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function settlePrivate(client: pg.Client, database: string): Promise<void> {
  const name = client.escapeIdentifier(database);
  await client.query(`
    select pg_advisory_lock(${MIGRATION_LOCK});
    alter database ${name} owner to ${OWNER};
    revoke all on database ${name} from public;
    grant connect on database ${name} to binaryrogue, openclaw_tui, openclaw_backup, openclaw_worker;
    -- Who owns a schema may drop what is in it, whoever owns that.
    alter schema public owner to current_user;
    revoke create on schema public from public;
    grant all on schema public to ${OWNER};
    do $$ begin
      if exists (select from pg_available_extensions where name = 'pg_stat_statements') then
        create schema if not exists extensions;
        grant usage on schema extensions to openclaw_tui, openclaw_worker;
        create extension if not exists pg_stat_statements schema extensions;
      end if;
    end $$`);
}

/** The two logs that must outlive a careless owner belong to the superuser, where there is one; the owner may use them. */
async function handOverLogs(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query(
    `select from pg_class where oid in ('agent_events'::regclass, 'agent_heartbeats'::regclass) and relowner <> (select oid from pg_roles where rolname = current_user)`,
  );
  if (!rowCount) return;
  await client.query(`
    select pg_advisory_lock(${MIGRATION_LOCK});
    begin;
    alter table agent_events owner to current_user;
    alter table agent_heartbeats owner to current_user;
    grant select, insert, delete on agent_events, agent_heartbeats to ${OWNER};
    commit`);
}

async function settleConfigured(client: pg.Client, separate: boolean): Promise<void> {
  await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
  await client.query('revoke create on schema public from public').catch(ignoreLackOfRights);
  if (!separate) return;
  // The owner makes graphile-worker's schema, for which it needs the right to create in the database.
  const { rows } = await client.query<{ name: string }>('select current_database() as name');
  await client.query(`grant all on schema public to ${OWNER}`).catch(ignoreLackOfRights);
  await client
    .query(`grant create on database ${client.escapeIdentifier(rows[0]!.name)} to ${OWNER}`)
    .catch(ignoreLackOfRights);
}

function ignoreLackOfRights(error: unknown): void {
  // 42501: on a managed server the schema may belong to somebody else; the right is then not ours to take.
  if (!(error instanceof pg.DatabaseError && error.code === '42501')) throw error;
}
