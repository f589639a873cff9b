import type { Config } from '../config/index.ts';
import { createPool, DATABASE } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { findRunningServers } from '../servers/index.ts';
import type { Patient } from './types.ts';

/** This installation as it is now, with connections that are closed at the end. */
export async function withPatient<T>(
  { config, log }: { config: Config; log: Logger },
  work: (patient: Patient) => Promise<T>,
): Promise<T> {
  const { layout, databaseUrl, redisUrl } = config;
  const { postgres, redis } = await findRunningServers({ layout, databaseUrl, redisUrl });
  const db =
    postgres &&
    createPool(postgres.urlFor('openclaw_worker', DATABASE), {
      name: 'doctor',
      max: 4,
      log,
      settings: { statement_timeout: '5000' },
    });
  try {
    return await work({ config, db, postgres, redis });
  } finally {
    await db?.end();
  }
}
