import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { EXIT, OpenClawError } from '../errors/index.ts';
import type { PostgresServer } from '../servers/types.ts';

/** The schema of our own tables as pg_dump prints it, without what differs between two dumps of the same schema. */
export async function dumpSchema(server: PostgresServer, database: string): Promise<string> {
  if (!server.binDir) {
    throw new OpenClawError('E_NO_PG_DUMP', 'pg_dump of this server is not known', {
      remedy: 'install postgresql-client',
      exitCode: EXIT.config,
    });
  }
  const { stdout } = await promisify(execFile)(
    path.join(server.binDir, 'pg_dump'),
    ['--schema-only', '--schema=public', '--no-owner', `--dbname=${server.urlFor('postgres', database)}`],
    { env: { ...process.env, ...server.env }, maxBuffer: 32_000_000 },
  );
  const major = server.version.split('.')[0];
  const body = stdout
    .split('\n')
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict)/.test(line))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  return `-- The whole schema as it stands, for reading; made from sql/migrations by: npm run schema\n-- PostgreSQL ${major}\n\n${body}\n`;
}
