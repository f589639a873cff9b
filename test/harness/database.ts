import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createPool, type Pool } from '../../lib/db/index.ts';
import type { PostgresServer } from '../../lib/servers/index.ts';
import { SERVERS_HOME, testServers } from './servers.ts';
import { buildTemplate, TEMPLATE } from './template.ts';

export interface TestDatabase {
  name: string;
  server: PostgresServer;
  urlFor: (role: string) => string;
  /** As the worker's role. */
  pool: Pool;
  /** As the superuser. */
  admin: Pool;
  drop: () => Promise<void>;
}

let template: Promise<void> | undefined;

/** A database of its own for a test file, copied from the template. `source` is whom its pool speaks for: with `cli`, its missions are a person's own. */
export async function freshDatabase({ source }: { source?: string } = {}): Promise<TestDatabase> {
  const servers = await testServers();
  if (!process.env[SERVERS_HOME]) template ??= buildTemplate(servers);
  await template;
  const name = `test_${randomBytes(6).toString('hex')}`;
  const server = servers.postgres;
  await onMaintenance(server, `create database ${name} template ${TEMPLATE} owner openclaw_owner`);
  const urlFor = (role: string) => server.urlFor(role, name);
  const pool = createPool(urlFor('openclaw_worker'), { name: 'test', max: 10, ...(source && { source }) });
  const admin = createPool(urlFor('postgres'), { name: 'test:admin', max: 2 });
  return {
    name,
    server,
    urlFor,
    pool,
    admin,
    drop: async () => {
      await Promise.all([pool.end(), admin.end()]);
      await onMaintenance(server, `drop database if exists ${name} with (force)`);
    },
  };
}

async function onMaintenance(server: PostgresServer, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.urlFor('postgres', 'postgres') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
