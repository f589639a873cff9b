import path from 'node:path';
import pg from 'pg';
import { CODE_ROOT } from '../config/layout.ts';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { OWNER } from './roles.ts';

/** Of whoever changes the schema or its rights. Any number will do, as long as every version of this program uses the same one. */
export const MIGRATION_LOCK = 7_246_001;
const LOCK_WAIT_MS = 60_000;

export interface MigrateResult {
  /** The versions that this call applied; empty when another was first or there was nothing to do. */
  applied: number[];
  version: number;
}

/**
 * Brings the schema to this code's version: graphile-worker's migrations, then ours, ours in one transaction with their
 * checksums recorded, under an advisory lock, so that twice at once is safe and a kill leaves the old schema whole.
 *
 * @throws E_MIGRATION_CHANGED (a released file was edited), E_SCHEMA_NEWER, E_MIGRATION_LOCKED, E_MIGRATION.
 */
export async function migrate(adminUrl: string, { asOwner }: { asOwner: boolean }): Promise<MigrateResult> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'openclaw/migrate' });
  await client.connect();
  try {
    await lock(client);
    if (asOwner) {
      await client.query(`set role ${OWNER}`);
    }
    await migrateGraphile(adminUrl, asOwner).catch((error: unknown) => {
      throw asMigrationError(error);
    });
    return await migrateOurs(client);
  } finally {
    await client.end();
  }
}

async function lock(client: pg.Client): Promise<void> {
  const deadline = performance.now() + LOCK_WAIT_MS;
  while (
    !(await client.query<{ got: boolean }>('select pg_try_advisory_lock($1) as got', [MIGRATION_LOCK])).rows[0]!.got
  ) {
    if (performance.now() > deadline) {
      throw new OpenClawError(
        'E_MIGRATION_LOCKED',
        `another process has been migrating this database for ${LOCK_WAIT_MS / 1000} s`,
        {
          remedy: 'wait for it, or end its session (pg_stat_activity, application_name openclaw/migrate)',
          exitCode: EXIT.tempfail,
        },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function migrateGraphile(adminUrl: string, asOwner: boolean): Promise<void> {
  const pool = new pg.Pool({
    connectionString: adminUrl,
    max: 1,
    application_name: 'openclaw/migrate',
    ...(asOwner && { options: `-c role=${OWNER}` }),
  });
  const failures: Error[] = [];
  pool.on('error', (error) => failures.push(error));
  pool.on('connect', (connection) => void connection.on('error', (error) => failures.push(error)));
  try {
    const { runMigrations } = await import('graphile-worker');
    await runMigrations({ pgPool: pool });
  } finally {
    await pool.end();
  }
}

async function migrateOurs(client: pg.Client): Promise<MigrateResult> {
  const { default: Postgrator } = await import('postgrator');
  const postgrator = new Postgrator({
    driver: 'pg',
    migrationPattern: path.join(CODE_ROOT, 'sql/migrations/*.sql'),
    schemaTable: 'public.schema_migrations',
    newline: 'LF',
    execQuery: (query) => client.query(query),
  });
  await client.query('begin');
  try {
    const newest = await postgrator.getMaxVersion();
    const before = await postgrator.getDatabaseVersion();
    if (before > newest) {
      throw new OpenClawError(
        'E_SCHEMA_NEWER',
        `the database has schema version ${before}, this program knows ${newest}`,
        {
          remedy: 'run the newer release, or restore a backup that was made by this one',
          exitCode: EXIT.config,
        },
      );
    }
    const applied = await postgrator.migrate();
    await client.query('commit');
    return { applied: applied.map((migration) => migration.version), version: newest };
  } catch (error) {
    await client.query('rollback');
    throw asMigrationError(error);
  }
}

function asMigrationError(error: unknown): unknown {
  if (error instanceof OpenClawError) return error;
  const changed = /MD5 checksum failed for migration \[(\d+)\]/.exec(messageOf(error));
  if (changed) {
    return new OpenClawError(
      'E_MIGRATION_CHANGED',
      `migration ${changed[1]} differs from the one that this database was made with`,
      {
        expected: 'released migrations are never edited',
        remedy: `restore sql/migrations/${String(changed[1]).padStart(3, '0')}.* from the release, and put the change into a new file`,
        cause: error,
        exitCode: EXIT.config,
      },
    );
  }
  return new OpenClawError('E_MIGRATION', `the schema could not be migrated: ${messageOf(error)}`, {
    remedy: 'nothing was changed; the statement and its position are in the cause',
    cause: error,
  });
}
