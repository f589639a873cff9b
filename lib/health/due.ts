import type { Config } from '../config/index.ts';
import { createPool, DATABASE } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { findRunningServers } from '../servers/index.ts';

const LIMIT_MS = 5000;

/**
 * Why a run is due: the last one is older than that, or nobody can say. Undefined: the crontab's runs come as they should.
 */
export async function whyDue(config: Config, log: Logger, maxAgeMs: number): Promise<string | undefined> {
  const { layout, databaseUrl, redisUrl } = config;
  const { postgres } = await findRunningServers({ layout, databaseUrl, redisUrl });
  if (!postgres) return 'Postgres does not answer';
  const db = createPool(postgres.urlFor('openclaw_worker', DATABASE), {
    name: 'health:due',
    max: 1,
    log,
    settings: { statement_timeout: String(LIMIT_MS) },
  });
  try {
    const { rows } = await db.query<{ age_ms: number | null }>(
      'select extract(epoch from clock_now() - max(finished_at))::float8 * 1000 as age_ms from ops_health_runs',
    );
    const age = rows[0]!.age_ms;
    if (age === null) return 'there was no run yet';
    return age > maxAgeMs ? `the last run is ${Math.round(age / 60_000)} minutes old` : undefined;
  } catch (error) {
    log.warn({ err: error }, 'the last run could not be read');
    return 'the last run could not be read';
  } finally {
    void db.end().catch((error: unknown) => log.warn({ err: error }, 'a connection did not close'));
  }
}
