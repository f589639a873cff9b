import { createPool, type Pool } from '../../lib/db/index.ts';
import type { TestDatabase } from './database.ts';

export interface Refusal {
  code: string;
  message: string;
  hint: string;
  detail: string;
}

/** What Postgres refused this with. @throws when it was not refused. */
export async function refusal(work: Promise<unknown>): Promise<Refusal> {
  try {
    await work;
  } catch (error) {
    const { code = '', message, hint = '', detail = '' } = error as Partial<Refusal> & Error;
    return { code, message, hint, detail };
  }
  throw new Error('was not refused');
}

/** Connections of a role that is not the worker's. End them before the database is dropped. */
export function connectAs(database: TestDatabase, role: 'binaryrogue' | 'openclaw_tui' | 'openclaw_backup'): Pool {
  return createPool(database.urlFor(role), { name: `test:${role}`, max: 25 });
}
