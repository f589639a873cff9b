import type { Config } from '../config/index.ts';
import type { Pool } from '../db/index.ts';
import type { PostgresServer, RedisServer } from '../servers/index.ts';
import type { Systemd } from './systemd.ts';

/** pass, warn and fail come from a probe that answered; unknown: it could not look; skipped: there is nothing to look at. */
export type Verdict = 'pass' | 'warn' | 'fail' | 'unknown' | 'skipped';

export interface Finding {
  readonly verdict: Verdict;
  /** One line: the figure and its limit, never a secret. */
  readonly summary: string;
  /** For skipped: the command or key that makes it checked. */
  readonly enable?: string;
  /** Where this finding is worse than the check's usual severity. */
  readonly severity?: Severity;
}

export type Severity = 'info' | 'warning' | 'error' | 'critical';

export interface Check {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  /** Failed looks in a row until it fires; passes in a row until it has recovered. */
  readonly failuresNeeded: number;
  readonly passesNeeded: number;
  /** 2: a change is looked at again within the same run; 1: only by the next run (services outside). */
  readonly looks: 1 | 2;
  /** Not judged (unknown) unless these have passed: one cause is one alert. */
  readonly needs?: readonly string[];
  readonly remedy: string;
  /** A file of docs/runbooks/, without its ending. */
  readonly runbook: string;
  readonly probe: (context: ProbeContext) => Promise<Finding>;
}

export interface ProbeContext {
  readonly config: Config;
  /** Undefined where Postgres does not answer; every check that uses it needs `postgres`. */
  readonly db: Pool | undefined;
  readonly postgres: PostgresServer | undefined;
  readonly redis: RedisServer | undefined;
  readonly systemd: Systemd;
  /** The state file of `openclaw up` names a live process. */
  readonly upPid: number | undefined;
  /** Whether this check fires now: limits are different on the way back (hysteresis). */
  readonly firing: boolean;
  readonly signal: AbortSignal;
}

export type AlarmState = 'ok' | 'pending' | 'firing' | 'recovering';

/** What is remembered of a check between runs. Times are ISO texts, so that the row and the file are the same. */
export interface CheckState {
  readonly check_id: string;
  readonly state: AlarmState;
  readonly verdict: Verdict;
  readonly summary: string;
  readonly failures: number;
  readonly passes: number;
  /** The first failure of the outage that goes on. */
  readonly failed_since: string | null;
  readonly fired_at: string | null;
  readonly reminded_at: string | null;
  /** When it fired or recovered, within the last hour. */
  readonly changes: readonly string[];
  readonly flapping: boolean;
  readonly passed_at: string | null;
}

export interface Notice {
  readonly check_id: string;
  readonly kind: 'fired' | 'recovered' | 'reminder' | 'flapping';
  readonly severity: Severity;
  readonly title: string;
  readonly body: string;
  readonly runbook: string;
  /** While a check flaps its notices are only counted. */
  readonly held: boolean;
  readonly at: string;
}
