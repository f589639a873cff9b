import type { PostgresServer, RedisServer } from '../../../lib/servers/index.ts';
import type { Sides } from '../databases.ts';
import type { BenchOptions } from '../options.ts';
import type { Result } from '../report.ts';

export interface Bench {
  sides: Sides;
  server: PostgresServer;
  redis: RedisServer;
  options: BenchOptions;
  /** The home of our workers. */
  home: string;
  /** A line for whoever waits. */
  progress: (line: string) => void;
}

/** @throws an Error when a count is wrong: speed without every job is no speed. */
export type Measure = (bench: Bench) => Promise<Result>;
