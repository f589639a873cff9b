import type pg from 'pg';
import type { Pool, PoolClient } from './connect.ts';

/**
 * A pool whose every statement is inside one transaction that somebody else ends, for code that was written for a pool:
 * what it takes for a transaction of its own is a savepoint here.
 */
export function poolInTransaction(tx: PoolClient): Pool {
  let depth = 0;
  const query = (text: string | pg.QueryConfig, values?: unknown[]) => {
    const word =
      typeof text === 'string' ? /^\s*(begin|commit|rollback)\s*;?\s*$/i.exec(text)?.[1]?.toLowerCase() : undefined;
    if (word === 'begin') return tx.query(`savepoint inner_${++depth}`);
    if (word === 'commit') return tx.query(`release savepoint inner_${depth--}`);
    if (word === 'rollback') return tx.query(`rollback to savepoint inner_${depth--}`);
    return tx.query(text as string, values);
  };
  const client = { query, release: () => undefined, on: () => client, once: () => client, off: () => client };
  return { query, connect: async () => client } as unknown as Pool;
}
