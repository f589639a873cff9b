export {
  commandLineActor,
  createPool,
  fromDatabase,
  type Pool,
  type PoolClient,
  type PoolOptions,
  type Queryable,
  transaction,
} from './connect.ts';
export { poolInTransaction } from './inTransaction.ts';
export { type LibpqConnection, libpqConnection } from './libpq.ts';
export { type MigrateResult, migrate } from './migrate.ts';

export { migrationState } from './migrationState.ts';
export { DATABASE, type PreparedDatabase, prepareDatabase } from './prepare.ts';
export { LOGIN_ROLES, OWNER, provisionRoles } from './roles.ts';
export { type Singleton, type SingletonOptions, singletonName, takeSingleton } from './singleton.ts';
