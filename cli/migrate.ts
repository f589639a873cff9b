import { loadConfig } from '../lib/config/index.ts';
import { createPool, DATABASE, migrationState, prepareDatabase } from '../lib/db/index.ts';
import { EXIT } from '../lib/errors/index.ts';
import { runningPostgres } from './context.ts';

/** Brings the database to this code's version, or with `check` says whether it is: exit 0, or 3. */
export async function migrateDatabase({ check, json }: { check?: boolean; json?: boolean }): Promise<number> {
  const config = loadConfig();
  const postgres = await runningPostgres(config);
  if (!check) {
    const { version, applied, notice } = await prepareDatabase(postgres, {
      ...(config.databaseAdminUrl && { adminUrl: config.databaseAdminUrl }),
    });
    const text = `schema version ${version}, ${applied.length} migrations applied${notice ? `\n${notice}` : ''}`;
    process.stdout.write(`${json ? JSON.stringify({ version, applied }) : text}\n`);
    return EXIT.ok;
  }
  const db = createPool(postgres.urlFor('openclaw_worker', DATABASE), { name: 'cli:migrate', max: 1 });
  try {
    const state = await migrationState(db);
    process.stdout.write(`${json ? JSON.stringify(state) : `${state.version} of ${state.expected} migrations`}\n`);
    return state.version === state.expected ? EXIT.ok : EXIT.degraded;
  } finally {
    await db.end();
  }
}
