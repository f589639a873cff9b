import { execFile } from 'node:child_process';
import type { Logger } from '../log/index.ts';

export interface ServiceOptions {
  readonly log: Logger;
  /** Rejects, or does not end, while this process does not do its work: its lease is not renewed, its database does not answer. */
  readonly alive: () => Promise<unknown>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: systemd-notify. */
  readonly notify?: (state: string) => Promise<void>;
}

export interface Service {
  /** Told once it works; from then on the watchdog is fed. */
  ready: (status: string) => Promise<void>;
  stopping: () => Promise<void>;
}

/** Of the watchdog's time, so that two missed beats are no restart. */
const BEATS = 3;

/**
 * What systemd wants to hear of a unit of Type=notify; nothing where this process is not one. Node has no datagram
 * sockets of the Unix kind, so systemd-notify says it. The watchdog is fed only after `alive` has come back: a stopped event
 * loop, a lost database or a lease that is not renewed starve it, and the unit is started again.
 */
export function startService({ log, alive, env = process.env, notify = systemdNotify }: ServiceOptions): Service {
  const managed = Boolean(env.NOTIFY_SOCKET);
  const watchdogMs = Number(env.WATCHDOG_USEC ?? 0) / 1000;
  let timer: NodeJS.Timeout | undefined;
  let beating = false;
  const say = (state: string) =>
    notify(state).catch((error: unknown) => log.warn({ err: error, state }, 'the service manager was not told'));
  const beat = async () => {
    // Never two at once: one that hangs is the very thing that the watchdog waits for.
    if (beating) return;
    beating = true;
    try {
      await alive();
      await say('WATCHDOG=1');
    } catch (error) {
      log.error({ err: error }, 'the watchdog is not fed: this process does not do its work');
    } finally {
      beating = false;
    }
  };
  return {
    ready: async (status) => {
      if (!managed) return;
      await say(`READY=1\nSTATUS=${status}`);
      if (watchdogMs > 0) {
        timer = setInterval(() => void beat(), watchdogMs / BEATS);
        timer.unref();
      }
    },
    stopping: async () => {
      clearInterval(timer);
      if (managed) await say('STOPPING=1');
    },
  };
}

/** It waits until systemd has read it, so that the message is still known to be ours. */
function systemdNotify(state: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', state.split('\n'), { timeout: 5000 }, (error) => (error ? reject(error) : resolve()));
  });
}
