import { sampleMemory } from '../../host/memory.ts';
import { fail, pass } from '../findings.ts';
import type { Check } from '../types.ts';

const MEBIBYTE = 1_048_576;
/** MB that are available; it has recovered only above the higher one. */
const LIMITS = { fail: 256, clear: 320 };

export const memory: Check = {
  id: 'memory',
  title: 'Memory',
  severity: 'warning',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 2,
  remedy: 'ps -eo pid,rss,comm --sort=-rss | head; restart what grew',
  runbook: 'memory-low',
  probe: async ({ firing }) => judgeMemory((await sampleMemory()).available_bytes, firing),
};

export function judgeMemory(availableBytes: number, firing: boolean) {
  const available = Math.floor(availableBytes / MEBIBYTE);
  const limit = firing ? LIMITS.clear : LIMITS.fail;
  return available <= limit
    ? fail(`${available} MB are available, expected more than ${limit}`)
    : pass(`${available} MB are available`);
}
