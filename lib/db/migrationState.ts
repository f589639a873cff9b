import { readdirSync } from 'node:fs';
import path from 'node:path';
import { CODE_ROOT } from '../config/layout.ts';
import type { Queryable } from './connect.ts';

/** How many migrations the database has, and how many this code brings. */
export async function migrationState(db: Queryable): Promise<{ version: number; expected: number }> {
  const files = readdirSync(path.join(CODE_ROOT, 'sql/migrations')).filter((name) => /^\d+\.do\..*\.sql$/.test(name));
  const { rows: there } = await db.query<{ there: boolean }>(
    "select to_regclass('public.schema_migrations') is not null as there",
  );
  if (!there[0]!.there) return { version: 0, expected: files.length };
  const { rows } = await db.query<{ applied: number }>(
    'select count(*)::integer as applied from schema_migrations where version > 0',
  );
  return { version: rows[0]!.applied, expected: files.length };
}
