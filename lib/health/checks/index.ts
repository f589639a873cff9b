import type { Check } from '../types.ts';
import { backupAge } from './backupAge.ts';
import { clock } from './clock.ts';
import { dashboard } from './dashboard.ts';
import { disk } from './disk.ts';
import { driveToken } from './driveToken.ts';
import { lateCron } from './lateCron.ts';
import { leases } from './leases.ts';
import { loops } from './loops.ts';
import { memory } from './memory.ts';
import { openclaw } from './openclaw.ts';
import { postgres } from './postgres.ts';
import { queueAge } from './queueAge.ts';
import { redis } from './redis.ts';
import { rights } from './rights.ts';
import { telegram } from './telegram.ts';
import { tunnel } from './tunnel.ts';
import { undelivered } from './undelivered.ts';

/** In the order in which they are shown; the first eight are the map's. */
export const CHECKS: readonly Check[] = [
  openclaw,
  dashboard,
  postgres,
  redis,
  telegram,
  disk,
  memory,
  tunnel,
  queueAge,
  leases,
  loops,
  undelivered,
  lateCron,
  backupAge,
  driveToken,
  clock,
  rights,
];
