import { type Control, ControlState } from '../controls/index.ts';
import type { Pool } from '../db/index.ts';
import type { Logger } from '../log/index.ts';
import { every } from './every.ts';

export interface LeaseBeat {
  pool_id: string;
  running: readonly string[];
  rss_bytes: number;
  loop_lag_ms: number;
}

export interface Leases {
  /** Kept up to date by the renewals. */
  readonly controls: ControlState;
  start: () => void;
  stop: () => void;
}

export interface LeaseOptions {
  db: Pool;
  log: Logger;
  /** One a pool of this process. */
  beats: () => LeaseBeat[];
  onLost: (poolId: string) => void;
  /** A renewal failed: answers to other statements may have been lost as well. */
  onBroken: () => void;
}

const RENEW_INTERVAL_MS = 1000;

/** Renews the leases of a process: one statement a second, whose answer says what changed. Silent pools are swept after it. */
export function createLeases({ db, log, beats, onLost, onBroken }: LeaseOptions): Leases {
  const renew = async () => {
    const own = beats();
    const askedAt = controls.now();
    const { rows } = await db.query<{ answer: { renewed: string[]; controls: Control[]; silent: string[] } }>({
      name: 'openclaw_renew',
      text: 'select renew_leases($1::jsonb) as answer',
      values: [JSON.stringify(own)],
    });
    const { answer } = rows[0]!;
    for (const { pool_id } of own) if (!answer.renewed.includes(pool_id)) onLost(pool_id);
    controls.update(answer.controls, askedAt);
    for (const pool of answer.silent) await sweep(pool);
  };
  const sweep = async (pool: string) => {
    const { rows } = await db.query<{ released: number | null }>('select sweep_pool($1) as released', [pool]);
    const { released } = rows[0]!;
    if (released !== null)
      log.warn({ poolId: pool, released }, 'the lease of a pool ran out; its jobs were given back');
  };
  const controls = new ControlState(renew);
  let timer: { stop: () => void } | undefined;
  return {
    controls,
    start: () => {
      timer = every(
        RENEW_INTERVAL_MS,
        async () => controls.confirm(0),
        (error) => {
          log.warn({ err: error }, 'the leases were not renewed; trying again');
          onBroken();
        },
      );
    },
    stop: () => timer?.stop(),
  };
}
