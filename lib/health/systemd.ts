import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

export interface UnitStatus {
  /** loaded, not-found, masked … */
  readonly load: string;
  /** active, inactive, failed, activating … */
  readonly active: string;
  readonly sub: string;
  readonly restarts: number;
}

export interface Systemd {
  /** Undefined where systemd is not this machine's manager, or does not answer. */
  readonly unit: (name: string) => Promise<UnitStatus | undefined>;
}

const LIMIT_MS = 3000;

/** The manager of this machine, asked by systemctl (D-Bus). */
export const systemd: Systemd = {
  unit: async (name) => {
    if (!existsSync('/run/systemd/system')) return undefined;
    const text = await systemctl(['show', '-p', 'LoadState,ActiveState,SubState,NRestarts', name]);
    return text === undefined ? undefined : parseShow(text);
  },
};

export function parseShow(text: string): UnitStatus {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return {
    load: value('LoadState'),
    active: value('ActiveState'),
    sub: value('SubState'),
    restarts: Number(value('NRestarts')) || 0,
  };
}

function systemctl(args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    // Whoever asks treats no answer as "no systemd here", which is what an error means: no bus, no program, no right.
    execFile('systemctl', args, { timeout: LIMIT_MS }, (error, stdout) => resolve(error ? undefined : stdout));
  });
}
