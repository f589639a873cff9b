import type { AuditCheck } from '../types.ts';
import { passwords, roles } from './database.ts';
import { files, tokens } from './files.ts';
import { listeners, sshd, transport } from './network.ts';
import { account, units } from './processes.ts';
import { redis } from './redis.ts';
import { telegram } from './telegram.ts';

export const AUDIT_CHECKS: readonly AuditCheck[] = [
  listeners,
  files,
  roles,
  passwords,
  redis,
  transport,
  sshd,
  tokens,
  telegram,
  account,
  units,
];
