import { EXIT, OpenClawError } from '../errors/index.ts';
import { readPlan } from '../missions/planFiles.ts';
import { changeMatching, FILTER_OPTIONS } from './bulk.ts';
import { parseId, parseJson, parseNumber, parseTimeout } from './ids.ts';
import { type MissionView, missionText, type StepView, skippedNote } from './missionText.ts';
import { spanText, textTable, timeText } from './table.ts';
import type { Action, ActionContext, ActionResult } from './types.ts';
import { waitForEnd } from './waitForEnd.ts';

const STATES = ['approved', 'running', 'waiting', 'succeeded', 'failed', 'cancelled'] as const;
const ENDED = new Set(['succeeded', 'failed', 'cancelled']);

export const missionActions: readonly Action[] = [
  {
    name: 'missions new',
    title: 'Submit a plan or a durable function: checked whole, then stored and queued',
    args: [
      {
        name: 'plan',
        description: 'a plan (openclaw plans list), a .json or .yaml file, or a durable function (openclaw tasks list)',
      },
    ],
    options: [
      { flags: '--input <json>', description: "values for the plan's $.input; the payload of a function" },
      { flags: '--title <text>', description: "in place of the plan's own" },
      { flags: '--priority <n>', description: 'lower runs first', default: '0' },
      { flags: '--key <key>', description: 'while a mission with this key is open, no second one starts' },
      {
        flags: '--wait',
        description: 'wait for its end: exit 0 succeeded, 1 failed or cancelled, 3 not ended in time',
      },
      { flags: '--timeout <time>', description: 'how long --wait waits', default: '10 m' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw missions new host_report --wait',
    run: async (context, { args, options }) => {
      const timeoutMs = parseTimeout(options.timeout);
      const name = args[0] ?? '';
      const input = options.input === undefined ? {} : parseJson(String(options.input), 'the input');
      const found = await context.db.query(
        'select from ops_tasks where identifier = $1 and durable and retired_at is null',
        [name],
      );
      const durable = found.rowCount! > 0;
      const plan = durable ? name : JSON.stringify(await readPlan(context.config, name));
      const asked = durable ? "function_plan($1, $2::jsonb), '{}'::jsonb" : '$1::jsonb, $2::jsonb';
      const { rows } = await context.db.query<Admission>(
        `select * from propose_mission(${asked}, title => $3, priority => $4, dedupe_key => $5)`,
        [
          plan,
          JSON.stringify(input),
          options.title ?? null,
          parseNumber(options.priority, '--priority', -32768, 32767),
          options.key ?? null,
        ],
      );
      const admission = rows[0]!;
      const id = admission.mission;
      if (id === null) return notAdmitted(admission);
      if (!options.wait) return { json: { mission: `m${id}`, state: 'approved' }, text: `submitted m${id}` };
      return watchMission(context, id, AbortSignal.timeout(timeoutMs));
    },
  },
  {
    name: 'missions list',
    title: 'The newest missions',
    options: [
      { flags: '--state <state>', description: 'only these', choices: STATES },
      { flags: '--limit <n>', description: 'how many', default: '20' },
    ],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<MissionView & { steps: number; done: number }>(
        `select m.id, m.kind, m.title, m.state, m.wait_reason, m.actor, m.created_at, m.started_at, m.finished_at, left(m.error, 200) as error,
                s.steps, s.done
         from ops_missions m,
              lateral (select count(*)::integer as steps, count(*) filter (where state not in ('queued', 'running', 'waiting'))::integer as done from ops_mission_steps where mission_id = m.id) s
         where ($1::text is null or m.state = $1) order by m.id desc limit $2`,
        [options.state ?? null, parseNumber(options.limit, '--limit', 1, 1000)],
      );
      const lines = rows.map((mission) => [
        `m${mission.id}`,
        mission.kind,
        mission.wait_reason ? `${mission.state} (${mission.wait_reason})` : mission.state,
        `${mission.done}/${mission.steps}`,
        mission.actor,
        timeText(mission.created_at),
        mission.started_at
          ? spanText((mission.finished_at ?? new Date()).getTime() - mission.started_at.getTime())
          : '-',
        mission.error ?? '',
      ]);
      return {
        json: rows,
        text: textTable(['mission', 'kind', 'state', 'steps', 'by', 'asked', 'took', 'error'], lines, 'no missions'),
      };
    },
  },
  {
    name: 'missions show',
    title: 'One mission with its steps',
    args: [{ name: 'mission', description: 'its id, for example m3' }],
    options: [{ flags: '--watch', description: 'follow it to its end' }],
    who: 'viewer',
    danger: 'none',
    run: async (context, { args, options }) => {
      const id = parseId(args[0], 'm', 'mission');
      if (options.watch) return watchMission(context, id, context.signal);
      const view = await loadMission(context.db, id);
      return { json: view, text: missionText(view) };
    },
  },
  {
    name: 'missions signal',
    title: 'Say something to a mission that waits for it, now or later',
    args: [
      { name: 'mission', description: 'its id' },
      { name: 'signal', description: 'the name that it waits for' },
      { name: 'payload', description: 'JSON', optional: true },
    ],
    options: [{ flags: '--key <key>', description: 'the same key twice is one signal' }],
    who: 'operator',
    danger: 'none',
    example: `openclaw missions signal m3 paid '{"amount": 5}'`,
    run: async ({ db }, { args, options }) => {
      const id = parseId(args[0], 'm', 'mission');
      const payload = JSON.stringify(parseJson(args[2] ?? '{}', 'the payload'));
      await db.query('select signal($1, $2, $3::jsonb, $4)', [id, args[1], payload, options.key ?? null]);
      return { json: { mission: `m${id}`, signal: args[1] }, text: `m${id} was told "${args[1]}"` };
    },
  },
  {
    name: 'missions retry',
    title: 'Take an ended mission up again: what did not succeed, or from a step on; history is kept',
    args: [{ name: 'mission', description: 'its id', optional: true }],
    options: [{ flags: '--from <step>', description: 'this step and all that follows from it' }, ...FILTER_OPTIONS],
    who: 'operator',
    danger: 'none',
    example: 'openclaw missions retry m3 --from send',
    run: async (context, { args, options }) => {
      if (options.filter !== undefined) return changeMatching(context, 'missions retry', args, options);
      const id = parseId(args[0], 'm', 'mission');
      await context.db.query('select retry_mission($1, $2)', [id, options.from ?? null]);
      return { json: { mission: `m${id}`, state: 'waiting' }, text: `m${id} goes on` };
    },
  },
  {
    name: 'missions cancel',
    title: 'Nothing of the mission starts any more; a step that runs is told to stop',
    args: [{ name: 'mission', description: 'its id', optional: true }],
    options: [
      ...FILTER_OPTIONS,
      {
        flags: '--hard',
        description: 'ends it now, whatever its worker does; a running step of effect outside is then unknown',
      },
    ],
    who: 'operator',
    danger: 'confirm',
    run: async (context, { args, options }) => {
      if (options.filter !== undefined) return changeMatching(context, 'missions cancel', args, options);
      const { db } = context;
      const id = parseId(args[0], 'm', 'mission');
      const { rows } = await db.query<{ state: string }>('select cancel_mission($1, $2) as state', [
        id,
        options.hard === true,
      ]);
      return {
        json: { mission: `m${id}`, state: rows[0]!.state },
        text: `m${id} ${rows[0]!.state === 'cancelling' ? 'is being cancelled' : 'is cancelled'}`,
      };
    },
  },
];

interface Admission {
  proposal: string;
  state: string;
  mission: string | null;
  reason_code: string | null;
  reason: string | null;
  approval: string | null;
}

function notAdmitted({ proposal, state, reason_code, reason, approval }: Admission): ActionResult {
  const waits = state === 'proposed';
  return {
    json: {
      proposal: `p${proposal}`,
      state,
      reason_code,
      reason,
      ...(approval !== null && { approval: `a${approval}` }),
    },
    text: waits
      ? `p${proposal} waits for approval a${approval}: ${reason}\nopenclaw approvals show a${approval}`
      : `p${proposal} is ${state} (${reason_code}): ${reason}`,
    exitCode: waits || state === 'duplicate' ? EXIT.degraded : EXIT.failed,
  };
}

/** A mission with its steps and their attempts. @throws E_NOT_FOUND. */
export async function loadMission(db: ActionContext['db'], id: string): Promise<MissionView> {
  const { rows } = await db.query<MissionView>('select * from ops_missions where id = $1', [id]);
  if (!rows[0])
    throw new OpenClawError('E_NOT_FOUND', `there is no mission m${id}`, { remedy: 'openclaw missions list' });
  const steps = await db.query<StepView>('select * from ops_mission_steps where mission_id = $1 order by position', [
    id,
  ]);
  return { ...rows[0], steps: steps.rows };
}

export async function watchMission(context: ActionContext, id: string, limit: AbortSignal): Promise<ActionResult> {
  const said = new Map<string, string>();
  const view = await waitForEnd(
    context.db,
    'mission:ended',
    async () => {
      const now = await loadMission(context.db, id);
      sayChanges(context, now, said);
      return ENDED.has(now.state) ? now : undefined;
    },
    AbortSignal.any([context.signal, limit]),
  );
  if (!view)
    return {
      json: { mission: `m${id}`, state: 'pending' },
      text: `m${id} has not ended; look at it with: openclaw missions show m${id}`,
      exitCode: EXIT.degraded,
    };
  return { json: view, text: missionText(view), exitCode: view.state === 'succeeded' ? EXIT.ok : EXIT.failed };
}

function sayChanges({ say }: ActionContext, mission: MissionView, said: Map<string, string>): void {
  const tell = (key: string, line: string) => {
    if (said.get(key) === line) return;
    said.set(key, line);
    say(line);
  };
  tell(
    '',
    `m${mission.id} ${mission.title}: ${mission.state}${mission.wait_reason ? ` (${mission.wait_reason})` : ''}`,
  );
  for (const step of mission.steps ?? []) {
    if (step.state !== 'queued')
      tell(
        step.name,
        `  ${step.name}: ${step.state}${step.attempt > 1 ? `, attempt ${step.attempt}` : ''}${skippedNote(step)}${step.error ? `: ${step.error}` : ''}`,
      );
  }
}
