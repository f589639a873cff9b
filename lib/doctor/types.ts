import type { Config } from '../config/index.ts';
import type { Pool } from '../db/index.ts';
import type { PostgresServer, RedisServer } from '../servers/index.ts';

export interface Ailment {
  readonly state: 'ok' | 'warn' | 'fail' | 'skipped';
  /** What was found, in one line. */
  readonly found: string;
  /** What a person does, where this program does not. */
  readonly remedy?: string;
  /** What --fix would do; nothing is ever deleted. */
  readonly fix?: Fix;
}

export interface Fix {
  /** As a diff: lines that begin with - and +. */
  readonly diff: readonly string[];
  readonly apply: () => Promise<void>;
}

export interface Examination {
  readonly id: string;
  readonly title: string;
  readonly look: (patient: Patient) => Promise<Ailment>;
}

export interface Patient {
  readonly config: Config;
  /** The worker's connections; undefined while Postgres is away. */
  readonly db: Pool | undefined;
  readonly postgres: PostgresServer | undefined;
  readonly redis: RedisServer | undefined;
}

export const ok = (found: string): Ailment => ({ state: 'ok', found });
export const warn = (found: string, remedy?: string): Ailment => ({ state: 'warn', found, ...(remedy && { remedy }) });
export const fail = (found: string, remedy?: string): Ailment => ({ state: 'fail', found, ...(remedy && { remedy }) });
export const skipped = (found: string): Ailment => ({ state: 'skipped', found });
