import pg from 'pg';
import type { PostgresServer } from '../servers/types.ts';
import { type MigrateResult, migrate } from './migrate.ts';
import { OWNER, provisionRoles, type RolesResult } from './roles.ts';

export const DATABASE = 'openclaw';

export interface PreparedDatabase extends RolesResult, MigrateResult {
  /** For the worker, the command line and migrations; holds a password. */
  workerUrl: string;
  /** Reads only. The worker's own URL where roles could not be made: the caller must then set the session read-only. */
  readerUrl: string;
  adminUrl: string;
}

/** From a running server to a migrated database with its roles; run at every start, and twice at once is safe. */
export async function prepareDatabase(
  server: PostgresServer,
  { database = DATABASE, adminUrl }: { database?: string; adminUrl?: string } = {},
): Promise<PreparedDatabase> {
  const isPrivate = server.origin !== 'configured';
  const admin = adminUrl ?? (isPrivate ? server.urlFor('postgres', database) : server.adminUrl);
  if (isPrivate) await createDatabase(server, database);
  const client = new pg.Client({ connectionString: admin, application_name: 'openclaw/prepare' });
  await client.connect();
  let roles: RolesResult;
  try {
    roles = await provisionRoles(client, (role) => (isPrivate ? server.password(role) : undefined));
    if (isPrivate) await settlePrivate(client, database);
    else await client.query('revoke create on schema public from public').catch(ignoreLackOfRights);
  } finally {
    await client.end();
  }
  const migrated = await migrate(admin, { asOwner: roles.separate });
  if (isPrivate) await handOverLogs(admin);
  return {
    ...roles,
    ...migrated,
    adminUrl: admin,
    workerUrl: isPrivate ? server.urlFor('openclaw_worker', database) : server.adminUrl,
    readerUrl: isPrivate ? server.urlFor('openclaw_tui', database) : server.adminUrl,
  };
}

async function createDatabase(server: PostgresServer, database: string): Promise<void> {
  const client = new pg.Client({
    connectionString: server.urlFor('postgres', 'postgres'),
    application_name: 'openclaw/prepare',
  });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (!rowCount) await client.query(`create database ${client.escapeIdentifier(database)}`);
  } catch (error) {
    // 42P04, 23505: the other of two first starts made it.
    if (!(error instanceof pg.DatabaseError && (error.code === '42P04' || error.code === '23505'))) throw error;
  } finally {
    await client.end();
  }
}

async function settlePrivate(client: pg.Client, database: string): Promise<void> {
  const name = client.escapeIdentifier(database);
  await client.query(`
    select pg_advisory_lock(7246002);
    alter database ${name} owner to ${OWNER};
    revoke all on database ${name} from public;
    grant connect on database ${name} to binaryrogue, openclaw_tui, openclaw_backup, openclaw_worker;
    revoke create on schema public from public;
    grant all on schema public to ${OWNER};
    do $$ begin
      if exists (select from pg_available_extensions where name = 'pg_stat_statements') then
        create schema if not exists extensions;
        grant usage on schema extensions to openclaw_tui, openclaw_worker;
        create extension if not exists pg_stat_statements schema extensions;
      end if;
    end $$;
    select pg_advisory_unlock(7246002)`);
}

/** The two logs that must outlive a careless owner belong to the superuser, where there is one; the owner may use them. */
async function handOverLogs(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'openclaw/prepare' });
  await client.connect();
  try {
    const { rowCount } = await client.query(
      `select from pg_class where oid in ('agent_events'::regclass, 'agent_heartbeats'::regclass) and relowner <> (select oid from pg_roles where rolname = current_user)`,
    );
    if (!rowCount) return;
    await client.query(`
      begin;
      alter table agent_events owner to current_user;
      alter table agent_heartbeats owner to current_user;
      grant select, insert, delete on agent_events, agent_heartbeats to ${OWNER};
      commit`);
  } finally {
    await client.end();
  }
}

function ignoreLackOfRights(error: unknown): void {
  // 42501: on a managed server the schema may belong to somebody else; the right is then not ours to take.
  if (!(error instanceof pg.DatabaseError && error.code === '42501')) throw error;
}
