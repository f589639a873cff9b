import { readFileSync } from 'node:fs';
import os from 'node:os';

/** What proves, on the same host, that a process is dead: boot id, pid and the process's start time together. */
export interface ProcessIdentity {
  host: string;
  bootId: string;
  pid: number;
  processStart: string;
}

/** `hostId` (OPENCLAW_HOST_ID) in place of the host's name: containers of one host do not see each other's processes. */
export function ownIdentity(hostId?: string): ProcessIdentity {
  return {
    host: hostId ?? os.hostname(),
    bootId: bootId(),
    pid: process.pid,
    processStart: processStartOf(process.pid) ?? 'unknown',
  };
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // No /proc (macOS): the boot time serves, to the minute, as uptime is not exact.
    return `boot-${Math.round((Date.now() / 1000 - os.uptime()) / 60)}`;
  }
}

/** The start time of a process in clock ticks since boot (field 22 of /proc/<pid>/stat), or undefined when it is gone or a zombie. */
export function processStartOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name, may hold blanks and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux') return aliveElsewhere(pid);
    return undefined;
  }
}

function aliveElsewhere(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
    return 'unknown';
  } catch (error) {
    // EPERM: it lives, under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'unknown' : undefined;
  }
}

/** Whether a process that was registered on this host in this boot has ended. A different boot proves it as well. */
export function isProvenDead(was: ProcessIdentity, own: ProcessIdentity): boolean {
  if (was.host !== own.host) return false;
  if (was.bootId !== own.bootId) return true;
  const start = processStartOf(was.pid);
  return start === undefined || (start !== 'unknown' && was.processStart !== 'unknown' && start !== was.processStart);
}
