import pg from 'pg';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';

/** The same server and login, another database. */
export function withDatabase(url: string, database: string): string {
  return url.replace(/^(\w+:\/\/[^/?#]*)(\/[^?#]*)?/, `$1/${encodeURIComponent(database)}`);
}

export async function asAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'openclaw/restore',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** An empty database of this name, in place of whatever a killed run left of it. @throws E_DRILL_RIGHTS. */
export async function makeScratch(maintenanceUrl: string, name: string): Promise<void> {
  await asAdmin(maintenanceUrl, async (client) => {
    try {
      await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
      await client.query(`create database ${client.escapeIdentifier(name)} template template0`);
    } catch (error) {
      if ((error as { code?: string }).code !== '42501') throw error;
      throw new OpenClawError(
        'E_DRILL_RIGHTS',
        `the configured user may not create a scratch database: ${messageOf(error)}`,
        {
          remedy: 'set DATABASE_ADMIN_URL to a role with CREATEDB, or alter role ... createdb',
          exitCode: EXIT.config,
        },
      );
    }
  });
}

export async function dropScratch(maintenanceUrl: string, name: string): Promise<void> {
  await asAdmin(maintenanceUrl, (client) =>
    client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`),
  );
}
