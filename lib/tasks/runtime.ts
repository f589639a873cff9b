import type { Config } from '../config/index.ts';
import type { ControlState } from '../controls/index.ts';
import type { PoolClient, Queryable } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import type { StartGate } from '../queue/startGate.ts';
import type { TaskRegistry } from './load.ts';

/** What tasks reach the database by: a pool of ours, or the helpers of a stock worker. */
export interface Database {
  query: Queryable['query'];
  transaction: <T>(work: (client: PoolClient) => Promise<T>) => Promise<T>;
}

/** What every task of a process shares. */
export interface TaskRuntime {
  readonly config: Config;
  readonly log: Logger;
  readonly db: Database;
  /** The read-only role's connections; the usual ones, in read-only transactions, where that role could not be made. */
  readonly reader: Database;
  /** Evaluates paths: its statements have a limit of seconds, so that a path which takes for ever holds nobody up. */
  readonly paths: Pick<Database, 'query'>;
  readonly registry: TaskRegistry;
  /** What is paused. A stock worker has none: pauses are not its. */
  readonly controls?: ControlState;
  /** Quotas and stopped tasks. A stock worker has none: limits are not its. */
  readonly starts?: StartGate;
}

/** What a checkpoint of a run proves: that the job is still held, or that the mission's epoch is still this one. */
export type RunFence =
  | { kind: 'job'; jobId: string; poolId: string }
  | { kind: 'mission'; missionId: string; epoch: number };

export interface RunFacts {
  jobId: string;
  task: string;
  attempt: number;
  maxAttempts: number;
  traceId: string | null;
  missionId: string | null;
  stepName: string | null;
  idempotencyKey: string;
  /** `j104`, or `m12/search` for a mission's step. */
  scope: string;
  fence: RunFence;
}
