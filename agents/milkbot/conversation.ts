import { OpenClawError } from '../../lib/errors/index.ts';
import { namedPlans, readPlan } from '../../lib/missions/planFiles.ts';
import { bold, escapeHtml, pre } from '../../lib/telegram/index.ts';
import type { Answer, ChatContext } from './types.ts';
import { actionNamed, perform } from './viaAction.ts';

interface NewMission {
  plan: string;
  /** Keys of the plan's input that are still to be asked. */
  ask: string[];
  input: Record<string, unknown>;
}

/** `/new`: shows the plans. `/new <plan> [json]`: starts it, or asks for its input. `/new <words>`: a goal for the planner. */
export async function newMission(context: ChatContext, args: readonly string[]): Promise<Answer> {
  const plans = await namedPlans(context.config);
  const [first, ...rest] = args;
  if (first === undefined) {
    await remember(context, 'new', {});
    return {
      text: 'Which plan? Or say your goal in words.',
      buttons: [...plans.keys()].slice(0, 12).map((name) => [{ label: name, action: 'new', args: [name] }]),
    };
  }
  if (!plans.has(first)) return goal(context, args.join(' '));
  const plan = (await readPlan(context.config, first)) as { title?: string; input?: Record<string, unknown> };
  if (rest.length > 0) return submit(context, { plan: first, ask: [], input: inputFrom(rest.join(' ')) });
  const ask = Object.keys(plan.input ?? {});
  return next(context, { plan: first, ask, input: {} }, plan.input ?? {});
}

/** What somebody says while the bot waits for it; undefined when it waits for nothing. */
export async function goOn(context: ChatContext, text: string): Promise<Answer | undefined> {
  const { rows } = await context.db.query<{ topic: string; state: NewMission; expired: boolean }>(
    'delete from chat_conversations where chat_id = $1 and user_id = $2 returning topic, state, expires_at < clock_now() as expired',
    [context.person.chatId, context.person.userId],
  );
  const conversation = rows[0];
  if (!conversation || conversation.expired) return undefined;
  if (/^(no|stop|cancel|never mind)$/i.test(text.trim())) return { text: 'Nothing was started.' };
  if (conversation.topic === 'new') return newMission(context, text.trim().split(/\s+/));
  const { plan, ask, input } = conversation.state;
  const [key, ...left] = ask;
  if (key === undefined) return undefined;
  const known = ((await readPlan(context.config, plan)) as { input?: Record<string, unknown> }).input ?? {};
  return next(context, { plan, ask: left, input: { ...input, [key]: valueLike(known[key], text.trim()) } }, known);
}

async function next(context: ChatContext, mission: NewMission, defaults: Record<string, unknown>): Promise<Answer> {
  const [key] = mission.ask;
  if (key !== undefined) {
    await remember(context, 'new_input', mission);
    const given = defaults[key];
    return {
      text: `${bold(mission.plan)}: ${escapeHtml(key)}?${given === undefined || given === null ? '' : ` (usually ${escapeHtml(JSON.stringify(given))})`}`,
      html: true,
      buttons: [
        [
          {
            label: 'Start with the usual',
            action: 'new',
            args: [mission.plan, JSON.stringify(mission.input)],
            for_user: context.person.userId,
          },
        ],
      ],
    };
  }
  return {
    text: `Start ${bold(mission.plan)}?${Object.keys(mission.input).length > 0 ? `\n${pre(JSON.stringify(mission.input, null, 1))}` : ''}`,
    html: true,
    buttons: [
      [
        {
          label: 'Start',
          action: 'new',
          args: [mission.plan, JSON.stringify(mission.input)],
          for_user: context.person.userId,
        },
        { label: 'No', action: 'no', for_user: context.person.userId },
      ],
    ],
  };
}

async function submit(context: ChatContext, { plan, input }: NewMission): Promise<Answer> {
  const { json, text } = await perform(context, actionNamed('missions new'), [plan], { input: JSON.stringify(input) });
  const id = (json as { mission?: string }).mission;
  return {
    text: `▶️ ${escapeHtml(text)}`,
    html: true,
    ...(id && { follows: id.replace(/^m/, '') }),
    ...(id && { buttons: [[{ label: `Look at ${id}`, action: 'mission', args: [id] }]] }),
  };
}

/** In words: MilkBot's planner makes a plan of it, which is shown before anything starts. */
async function goal({ db, person }: ChatContext, text: string): Promise<Answer> {
  await db.query("select send_to_agent('milkbot', 'message', $1::jsonb, null, $2)", [
    JSON.stringify({ text, user: person.userId, role: person.role, chat: person.chatId }),
    `telegram:${person.chatId}`,
  ]);
  return { text: 'I look for a plan; you will see it before anything starts.' };
}

async function remember({ db, person }: ChatContext, topic: string, state: object): Promise<void> {
  await db.query(
    `insert into chat_conversations (chat_id, user_id, topic, state, expires_at) values ($1, $2, $3, $4, clock_now() + interval '10 minutes')
     on conflict (chat_id, user_id) do update set topic = excluded.topic, state = excluded.state, expires_at = excluded.expires_at`,
    [person.chatId, person.userId, topic, JSON.stringify(state)],
  );
}

function inputFrom(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Said below, with what is expected.
  }
  throw new OpenClawError('E_JSON', 'the input is no JSON object', { expected: '/new <plan> {"key": "value"}' });
}

/** Of the type that the plan shows: a number where it has a number. */
function valueLike(known: unknown, text: string): unknown {
  if (typeof known === 'number' && text !== '' && Number.isFinite(Number(text))) return Number(text);
  if (typeof known === 'boolean') return /^(yes|true|on|1)$/i.test(text);
  if (typeof known === 'object' && known !== null) {
    try {
      return JSON.parse(text);
    } catch {
      // The plan's own checks say what is wrong with it.
      return text;
    }
  }
  return text;
}
