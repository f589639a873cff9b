import { setTimeout as sleep } from 'node:timers/promises';
import { CODE_ROOT } from '../config/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import { HOME, USER } from './files.ts';
import { type Host, must } from './host.ts';
import { migrateStep } from './install.ts';
import { currentRelease, folderOf, releaseOf, releaseStep, switchTo } from './release.ts';
import { unitsStep } from './system.ts';

export interface UpgradeOptions {
  readonly say: (line: string) => void;
  readonly dryRun: boolean;
  /** false: the operator has one, and says so. */
  readonly backup: boolean;
  readonly code?: string;
  /** How long the new release has to become well. */
  readonly healthLimitMs?: number;
  readonly pauseMs?: number;
}

export interface UpgradeResult {
  readonly from: string;
  readonly to: string;
  readonly outcome: 'upgraded' | 'same' | 'rolled back' | 'would upgrade';
  readonly reason?: string;
}

/** Checks that must pass for an upgrade to stand; the others may have failed before it. */
const VITAL = ['openclaw', 'postgres', 'leases'];

/**
 * backup -> the new release beside the old -> migrate -> switch -> health, and back by itself when health falls. Until
 * the switch the old release runs on; a migration that fails is rolled back as a whole and nothing is switched.
 */
export async function upgrade(host: Host, options: UpgradeOptions): Promise<UpgradeResult> {
  const { say, code = CODE_ROOT } = options;
  const from = currentRelease(host);
  if (!from)
    throw new OpenClawError('E_NOT_INSTALLED', `nothing is installed in ${HOME}`, {
      remedy: 'openclaw install',
      exitCode: EXIT.usage,
    });
  const to = releaseOf(code);
  if (from === to) return { from, to, outcome: 'same' };
  say(`${from} -> ${to}`);
  if (options.dryRun) return { from, to, outcome: 'would upgrade' };

  const before = await failingNow(host, from);
  if (options.backup) {
    say('a verified backup first');
    await must(host, `${folderOf(from)}/bin/openclaw`, ['backup', 'create'], asUser);
  }
  const beside = releaseStep(host, code);
  if ((await beside.missing()).length > 0) {
    say('the new release beside the old one');
    await beside.make();
  }
  const migrate = migrateStep(host, to);
  if ((await migrate.missing()).length > 0) {
    say('migrating; the old release runs on meanwhile');
    await migrate.make();
  }
  say('switching');
  await activate(host, to);
  const reason = await becomesWell(host, to, before, options);
  if (reason === undefined) return { from, to, outcome: 'upgraded' };
  say(`not well: ${reason}; going back to ${from}`);
  await activate(host, from);
  return { from, to, outcome: 'rolled back', reason };
}

const asUser = { user: USER, env: { OPENCLAW_HOME: HOME } };

/** The units of that release and the processes on its code. */
async function activate(host: Host, release: string): Promise<void> {
  switchTo(host, release);
  const units = unitsStep(host, host.at(folderOf(release)));
  if ((await units.missing()).length > 0) await units.make();
  if (!host.live) return;
  // A unit that had given up must start as well.
  await host.run('systemctl', ['reset-failed', 'openclaw*']);
  // The target's parts are restarted with it (PartOf); what does not come up is seen by health.
  await must(host, 'systemctl', ['restart', '--no-block', 'openclaw.target']);
}

/** Which vital checks fail. @returns the names, or a text when the release cannot even say. */
async function failingNow(host: Host, release: string): Promise<string[]> {
  const { output } = await host.run(`${folderOf(release)}/bin/openclaw`, ['health', '--json'], asUser);
  try {
    const { checks } = JSON.parse(output.split('\n').findLast((line) => line.startsWith('{')) ?? '') as {
      checks: { id: string; verdict: string; summary: string }[];
    };
    return checks.filter(({ id, verdict }) => VITAL.includes(id) && verdict !== 'pass').map(({ id }) => id);
  } catch {
    // No report is the worst report.
    return [`health: ${output.split('\n').at(-1) || 'no answer'}`];
  }
}

/** Undefined when nothing vital fails that did not fail before; else what does, when the time is over. */
async function becomesWell(
  host: Host,
  release: string,
  before: readonly string[],
  { healthLimitMs = 90_000, pauseMs = 5000, say }: UpgradeOptions,
) {
  const deadline = Date.now() + healthLimitMs;
  for (;;) {
    const failing = (await failingNow(host, release)).filter((id) => !before.includes(id));
    if (failing.length === 0) return undefined;
    if (Date.now() > deadline) return failing.join(', ');
    say(`waiting for: ${failing.join(', ')}`);
    await sleep(pauseMs);
  }
}
