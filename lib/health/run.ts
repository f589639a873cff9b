import { randomUUID } from 'node:crypto';
import os from 'node:os';
import { alertDirectly, type DirectAlert } from '../alerts/direct.ts';
import type { Config, Layout } from '../config/index.ts';
import { createPool, DATABASE, type Pool, type Queryable, transaction } from '../db/index.ts';
import { EXIT, messageOf } from '../errors/index.ts';
import { readRunState } from '../host/runState.ts';
import { type Logger, subjectLog } from '../log/index.ts';
import { findRunningServers, type Servers } from '../servers/index.ts';
import { CHECKS } from './checks/index.ts';
import { advance, initialState } from './machine.ts';
import { recordNotices } from './notices.ts';
import { look, lookAll } from './probe.ts';
import {
  type HealthRun,
  type Remembered,
  readFileState,
  readRowStates,
  type Trigger,
  writeFileState,
  writeRecipients,
  writeRowStates,
  writeRuns,
} from './state.ts';
import { type Systemd, systemd } from './systemd.ts';
import type { Check, CheckState, Finding, Notice, ProbeContext } from './types.ts';

export interface HealthOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly trigger: Trigger;
  /** Default: one of its own. */
  readonly trace?: string;
  readonly checks?: readonly Check[];
  /** Default: systemctl of this machine. */
  readonly systemd?: Systemd;
  /** Default: looked for anew at each run. */
  readonly servers?: () => Promise<Partial<Servers>>;
  /** A pool of the caller's on that Postgres, which stays open. Default: one of its own, for this run. */
  readonly db?: Pool;
  /** Of this host, for when Postgres is away; with Postgres its clock counts. */
  readonly now?: () => Date;
  /** Between two looks of one run. */
  readonly betweenLooksMs?: number;
  /** The second path; default: systemd/openclaw-alert. */
  readonly alert?: (alert: DirectAlert) => Promise<string>;
}

export interface CheckReport {
  readonly id: string;
  readonly title: string;
  readonly verdict: Finding['verdict'];
  readonly summary: string;
  readonly state: CheckState['state'];
  readonly flapping: boolean;
  readonly failed_since: string | null;
  readonly enable?: string;
  readonly remedy?: string;
  readonly runbook?: string;
}

export interface HealthReport {
  readonly exitCode: 0 | 1 | 3;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly checks: readonly CheckReport[];
  readonly notices: readonly Notice[];
  /** Whether Postgres has this run; else it is in the state file. */
  readonly recorded: boolean;
  /** What could not be done beside the checks. */
  readonly faults: readonly string[];
}

const BETWEEN_LOOKS_MS = 2000;

/**
 * One run: every check looked at, a change looked at twice, states moved on, notices sent. With Postgres all of its
 * writing is one transaction; without it the state is in a file and a notice goes by the second path.
 */
export async function runHealth(given: HealthOptions): Promise<HealthReport> {
  const log = subjectLog(given.config, 'health-check', given.log).child({ trace: given.trace ?? randomUUID() });
  const report = await lookAndRecord({ ...given, log });
  tell(report, log, given.trigger);
  return report;
}

/** A line for the run, and one for each check that is not as it should be. */
function tell({ checks, notices, exitCode, recorded, faults }: HealthReport, log: Logger, trigger: Trigger): void {
  const count = (verdict: string) => checks.filter((check) => check.verdict === verdict).length;
  for (const { id, verdict, summary, state, failed_since: since } of checks)
    if (verdict === 'fail' || verdict === 'warn' || verdict === 'unknown')
      log.warn({ check: id, verdict, state, since }, summary);
  for (const { check_id: check, kind, title } of notices) log.warn({ check, notice: kind }, title);
  for (const fault of faults) log.error({ fault }, 'a part of the run could not be done');
  const verdicts = { pass: count('pass'), warn: count('warn'), fail: count('fail'), unknown: count('unknown') };
  log.info({ trigger, exit_code: exitCode, recorded, ...verdicts, skipped: count('skipped') }, 'health was looked at');
}

async function lookAndRecord(options: HealthOptions): Promise<HealthReport> {
  const { config, log, checks = CHECKS, now = () => new Date() } = options;
  const startedAt = now().toISOString();
  const remembered = readFileState(config.layout, log);
  const surroundings = await openSurroundings(options);
  const { db } = surroundings;
  try {
    const firing = await firingNow(db, remembered);
    const contextOf = (check: Check) => ({ ...surroundings, firing: firing.has(check.id) });
    const first = await lookAll(checks, contextOf);
    const looks = await lookAgain(checks, first, firing, contextOf, options.betweenLooksMs ?? BETWEEN_LOOKS_MS);
    const run = { checks, looks, startedAt, remembered, options, now };
    if (!db) return await finishInFile(run, []);
    return await finishInRows(run, db).catch((error: unknown) => {
      // It went away since it was looked at.
      log.error({ err: error }, 'the run could not be recorded in Postgres; it is kept in the state file');
      return finishInFile(run, [`not recorded in Postgres: ${messageOf(error)}`]);
    });
  } finally {
    // Not waited for: a server that has stopped answering does not confirm the end either.
    if (!options.db) void db?.end().catch((error: unknown) => log.warn({ err: error }, 'a connection did not close'));
  }
}

async function openSurroundings({ config, log, systemd: manager = systemd, servers: given, db: pool }: HealthOptions) {
  const { layout, databaseUrl, redisUrl } = config;
  const find = given ?? (() => findRunningServers({ layout, databaseUrl, redisUrl }));
  const servers = await find().catch((error: unknown): Partial<Servers> => {
    log.warn({ err: error }, 'the servers could not be looked for');
    return {};
  });
  const db =
    servers.postgres &&
    (pool ??
      createPool(servers.postgres.urlFor('openclaw_worker', DATABASE), {
        name: 'health',
        max: 3,
        actor: 'system',
        log,
        settings: { statement_timeout: '5000' },
      }));
  const up = await readRunState(layout).catch(() => undefined);
  return { config, db, postgres: servers.postgres, redis: servers.redis, systemd: manager, upPid: up?.pid };
}

/** From the newer of row and file, for the limits that are different on the way back. */
async function firingNow(db: Pool | undefined, remembered: Remembered): Promise<Set<string>> {
  const { rows } = (await db
    ?.query<{ check_id: string; seq: string }>(
      "select check_id, (select last_value from ops_health_seq)::text as seq from ops_health where state in ('firing', 'recovering')",
    )
    // Postgres fails: that is a check's matter, and the file serves.
    .catch(() => undefined)) ?? { rows: [] };
  const fromRows = rows.length > 0 && Number(rows[0]!.seq) >= remembered.seq;
  const states = fromRows ? rows.map((row) => row.check_id) : remembered.states.filter(isAlarm).map((s) => s.check_id);
  return new Set(states);
}

const isAlarm = ({ state }: CheckState) => state === 'firing' || state === 'recovering';

/** The second look of whatever would change, after a pause: a restart or a hiccup is no alarm. */
async function lookAgain(
  checks: readonly Check[],
  first: ReadonlyMap<string, Finding>,
  firing: ReadonlySet<string>,
  contextOf: (check: Check) => Omit<ProbeContext, 'signal'>,
  pauseMs: number,
): Promise<Map<string, Finding[]>> {
  const looks = new Map([...first].map(([id, finding]) => [id, [finding]]));
  const changing = checks.filter(({ id, looks: most }) => {
    const verdict = first.get(id)!.verdict;
    return most === 2 && (firing.has(id) ? verdict === 'pass' || verdict === 'warn' : verdict === 'fail');
  });
  if (changing.length === 0) return looks;
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
  await Promise.all(changing.map(async (check) => looks.get(check.id)!.push(await look(check, contextOf(check)))));
  return looks;
}

interface Run {
  readonly checks: readonly Check[];
  readonly looks: ReadonlyMap<string, readonly Finding[]>;
  readonly startedAt: string;
  readonly remembered: Remembered;
  readonly options: HealthOptions;
  readonly now: () => Date;
}

function moveOn({ checks, looks }: Run, was: readonly CheckState[], at: Date) {
  const known = new Map(was.map((state) => [state.check_id, state]));
  const notices: Notice[] = [];
  const states = checks.map((check) => {
    let state = known.get(check.id) ?? initialState(check.id);
    for (const finding of looks.get(check.id)!) {
      const moved = advance(state, finding, check, at);
      state = moved.state;
      notices.push(...moved.notices);
    }
    return state;
  });
  return { states, notices };
}

async function finishInRows(run: Run, db: Pool): Promise<HealthReport> {
  const { remembered, options } = run;
  const { report, seq, states } = await transaction(db, async (client) => {
    const rows = await readRowStates(client);
    const was = rows.seq >= remembered.seq ? rows.states : remembered.states;
    const { rows: clock } = await client.query<{ at: Date }>('select clock_now() as at');
    const moved = moveOn(run, was, clock[0]!.at);
    const next = Math.max(rows.seq, remembered.seq) + 1;
    const made = reportOf(run, moved.states, moved.notices, true, []);
    await writeRowStates(client, next, moved.states);
    await writeRuns(client, [...remembered.runs, healthRun(run, made)]);
    await recordNotices(client, remembered.notices, moved.notices, run.checks);
    return { report: made, seq: next, states: moved.states };
  });
  await rememberOwners(db, options.config.layout);
  const fault = writeFileState(options.config.layout, { seq, states, runs: [], notices: [] });
  return fault ? { ...report, faults: [`the state file was not written: ${fault}`] } : report;
}

/** For the second path, which cannot ask Postgres: who is told. */
export async function rememberOwners(db: Queryable, layout: Layout): Promise<void> {
  const { rows } = await db.query<{ subject: string }>(
    "select subject from ops_devices where kind = 'telegram' and role = 'owner' and revoked_at is null order by id",
  );
  writeRecipients(
    layout,
    rows.map(({ subject }) => subject),
  );
}

async function finishInFile(run: Run, faults: readonly string[]): Promise<HealthReport> {
  const { remembered, options } = run;
  const { states, notices } = moveOn(run, remembered.states, run.now());
  const alert = options.alert ?? ((direct: DirectAlert) => alertDirectly(options.config, direct));
  const problems = [...faults];
  for (const notice of notices.filter(({ held }) => !held)) {
    const { severity, title, body, runbook, kind } = notice;
    const outcome = await alert({ severity, fingerprint: `health:${notice.check_id}:${kind}`, title, body, runbook });
    options.log.warn({ notice: title, outcome }, 'without Postgres an alert goes by the second path');
  }
  const report = reportOf(run, states, notices, false, problems);
  const fault = writeFileState(options.config.layout, {
    seq: remembered.seq + 1,
    states,
    runs: [...remembered.runs, healthRun(run, report)],
    notices: [...remembered.notices, ...notices],
  });
  return fault ? { ...report, faults: [...problems, `the state file was not written: ${fault}`] } : report;
}

function reportOf(
  run: Run,
  states: readonly CheckState[],
  notices: readonly Notice[],
  recorded: boolean,
  faults: readonly string[],
): HealthReport {
  const checks = run.checks.map((check, index): CheckReport => {
    const finding = run.looks.get(check.id)!.at(-1)!;
    const { state, flapping, failed_since } = states[index]!;
    return {
      id: check.id,
      title: check.title,
      verdict: finding.verdict,
      summary: finding.summary,
      state,
      flapping,
      failed_since,
      ...(finding.enable && { enable: finding.enable }),
      ...((finding.verdict === 'fail' || finding.verdict === 'warn') && {
        remedy: check.remedy,
        runbook: `docs/runbooks/${check.runbook}.md`,
      }),
    };
  });
  const verdicts = new Set(checks.map((check) => check.verdict));
  const exitCode = verdicts.has('fail')
    ? EXIT.failed
    : verdicts.has('warn') || verdicts.has('unknown')
      ? EXIT.degraded
      : EXIT.ok;
  return { exitCode, startedAt: run.startedAt, finishedAt: run.now().toISOString(), checks, notices, recorded, faults };
}

function healthRun(run: Run, report: HealthReport): HealthRun {
  return {
    trigger: run.options.trigger,
    host: os.hostname(),
    started_at: report.startedAt,
    finished_at: report.finishedAt,
    exit_code: report.exitCode,
    findings: report.checks.map(({ id, verdict, summary, state }) => ({ id, verdict, summary, state })),
  };
}
