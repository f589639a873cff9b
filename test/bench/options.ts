import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Every measure repeats ours and the peer's, side by side, this often. */
  rounds: number;
  /** Of the ledger's drain. */
  jobs: number;
  /** Missions of five steps. */
  missions: number;
  /** Jobs that wait while the backlog is looked at. */
  backlog: number;
  /** Events that are decided against 200 rules, and outcomes that the learner catches up with. */
  events: number;
  outcomes: number;
  /** Rows that are searched. */
  memories: number;
  /** Missions that have ended, and that sleep, beside those that are measured. */
  history: number;
  parked: number;
  /** ms that an idle system is looked at. */
  idleMs: number;
  /** Rows of the database that is backed up. */
  backupRows: number;
  /** ms that a side of `single` calls, and of `latency` queues. */
  singleMs: number;
  latencyMs: number;
  /** How long the screen is looked at, the keys pressed, the missions of its large list, and the seconds of its simulated hour. */
  screenSeconds: number;
  screenKeys: number;
  screenMissions: number;
  screenSoakSeconds: number;
  /** Only this measure. */
  only: string | undefined;
  /** For CI: tiny, judged by its counts and not by its speed. */
  small: boolean;
  /** Folder for a CPU profile of each worker. */
  profile: string | undefined;
}

export const USAGE = `npm run bench -- [--rounds N] [--jobs N] [--missions N] [--history N] [--idle-ms N] [--backup-rows N] [--only <measure>] [--small] [--profile <folder>]`;

const FULL = {
  rounds: 5,
  jobs: 20_000,
  missions: 600,
  backlog: 100_000,
  events: 10_000,
  outcomes: 1_000_000,
  memories: 100_000,
  history: 1_000_000,
  parked: 10_000,
  idleMs: 15_000,
  backupRows: 200_000,
  singleMs: 1500,
  latencyMs: 4000,
  screenSeconds: 15,
  screenKeys: 40,
  screenMissions: 5000,
  screenSoakSeconds: 3600,
};
const SMALL = {
  rounds: 1,
  jobs: 500,
  missions: 30,
  backlog: 2000,
  events: 400,
  outcomes: 2000,
  memories: 500,
  history: 2000,
  parked: 500,
  idleMs: 1500,
  backupRows: 500,
  singleMs: 120,
  latencyMs: 400,
  screenSeconds: 1,
  screenKeys: 4,
  screenMissions: 200,
  screenSoakSeconds: 60,
};

/** @throws an Error that names the faulty option. */
export function readOptions(args: string[], measures: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string' },
      jobs: { type: 'string' },
      missions: { type: 'string' },
      history: { type: 'string' },
      'idle-ms': { type: 'string' },
      'backup-rows': { type: 'string' },
      only: { type: 'string' },
      small: { type: 'boolean', default: false },
      profile: { type: 'string' },
    },
  });
  if (values.only !== undefined && !measures.includes(values.only)) {
    throw new Error(`--only ${values.only}: there is no such measure; there are ${measures.join(', ')}`);
  }
  const defaults = values.small ? SMALL : FULL;
  return {
    ...defaults,
    rounds: wholeNumber('--rounds', values.rounds) ?? defaults.rounds,
    jobs: wholeNumber('--jobs', values.jobs) ?? defaults.jobs,
    missions: wholeNumber('--missions', values.missions) ?? defaults.missions,
    history: wholeNumber('--history', values.history) ?? defaults.history,
    idleMs: wholeNumber('--idle-ms', values['idle-ms']) ?? defaults.idleMs,
    backupRows: wholeNumber('--backup-rows', values['backup-rows']) ?? defaults.backupRows,
    only: values.only,
    small: values.small,
    profile: values.profile,
  };
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`${name} ${text}: expected a whole number from 1 to 9999999`);
  return Number(text);
}
