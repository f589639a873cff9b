import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { OpenClawError } from '../../lib/errors/index.ts';
import { bold, escapeHtml, pre } from '../../lib/telegram/index.ts';
import { newMission } from './conversation.ts';
import { healthView } from './health.ts';
import { type Answer, type ChatContext, type Command, mayDo, type Role } from './types.ts';
import { actionNamed, confirmed, perform, shown } from './viaAction.ts';
import { agentsView, approvalsView, missionsView, missionView, statusView } from './views.ts';

/** A command that is an action of the one table under a shorter name; one that the table lacks stops the start. */
function via(
  name: string,
  title: string,
  role: Role,
  action: string,
  more: Partial<Command> & { before?: string[]; extra?: Record<string, string> } = {},
): Command {
  const { before = [], extra = {}, ...rest } = more;
  actionNamed(action);
  return {
    name,
    title,
    role,
    ...rest,
    run: (context, args, yes) => confirmed(context, name, actionNamed(action), [...before, ...args], yes, extra),
  };
}

/** Everything that can be said with a slash. The menu of each role is made from it. */
export const COMMANDS: readonly Command[] = [
  { name: 'start', title: 'Who I am', role: 'viewer', hidden: true, run: async (context) => help(context) },
  { name: 'help', title: 'What you can say', role: 'viewer', run: async (context) => help(context) },
  { name: 'status', title: 'How everything is', role: 'viewer', run: statusView },
  { name: 'agents', title: 'The agents', role: 'viewer', usage: '[start|stop <agent>]', run: agents },
  { name: 'missions', title: 'The newest missions', role: 'viewer', run: missionsView },
  { name: 'mission', title: 'One mission, or a new one', role: 'viewer', usage: 'm12, or new', run: mission },
  { name: 'new', title: 'A new mission', role: 'operator', usage: '[plan or goal]', run: newMission },
  {
    name: 'approve',
    title: 'Say yes to what waits',
    role: 'operator',
    usage: '[a5]',
    run: (context, args) => answer(context, args, 'approve'),
  },
  {
    name: 'reject',
    title: 'Say no',
    role: 'operator',
    usage: 'a5 [why]',
    run: (context, args) => answer(context, args, 'reject'),
  },
  {
    name: 'answer',
    title: 'Answer in words',
    role: 'operator',
    hidden: true,
    usage: 'a5 <answer>',
    run: (context, args) => answer(context, [args[0] ?? '', ...args.slice(2)], args[1] ?? ''),
  },
  {
    name: 'retry',
    title: 'Run a failed job or mission again',
    role: 'operator',
    usage: 'j7 or m12',
    run: (context, args, yes) => byLetter(context, 'retry', args, yes),
  },
  {
    name: 'cancel',
    title: 'End a job or mission',
    role: 'operator',
    usage: 'j7 or m12',
    run: (context, args, yes) => byLetter(context, 'cancel', args, yes),
  },
  { name: 'pause', title: 'Nothing new starts', role: 'operator', usage: 'all, agent <name>, task <name>', run: pause },
  { name: 'resume', title: 'Starts go on', role: 'operator', usage: '[all, agent <name>, task <name>]', run: resume },
  via('why', 'Why a job or mission does not move', 'viewer', 'why', { usage: 'm12 or j7', hidden: true }),
  via('rate', 'Say how a mission was', 'operator', 'missions rate', { usage: 'm12 up, or down', hidden: true }),
  via('quota', 'What may still start today', 'viewer', 'quota'),
  via('cost', 'What models and searches cost', 'viewer', 'cost'),
  { name: 'health', title: 'Each check with its remedy', role: 'viewer', run: healthView },
  { name: 'backup', title: 'The last backups; run makes one', role: 'viewer', usage: '[run]', run: backup },
  via('logs', 'The newest lines', 'operator', 'logs', { usage: '[name]' }),
  via('rules', 'What starts by itself', 'viewer', 'rules list'),
  via('learn', 'What was learnt and is proposed', 'viewer', 'learn changes'),
  via('alerts', 'Open alerts', 'viewer', 'alerts list'),
  { name: 'mute', title: 'No alerts here for a while', role: 'operator', usage: '[1h, 30m, off]', run: mute },
  { name: 'canvas', title: 'What the agents drew', role: 'viewer', usage: '[name]', run: canvas },
  { name: 'whoami', title: 'Your name and role here', role: 'viewer', run: async ({ person }) => whoami(person) },
];

export function commandNamed(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

async function help({ person }: ChatContext): Promise<Answer> {
  const lines = COMMANDS.filter((command) => !command.hidden && mayDo(person.role, command.role)).map(
    (command) =>
      `/${command.name}${command.usage ? ` ${escapeHtml(command.usage)}` : ''}: ${escapeHtml(command.title)}`,
  );
  return {
    text: [
      bold('I am MilkBot. You may:'),
      ...lines,
      '',
      'Or just say what you want; "scout, …" and "atlas, …" reach the others.',
    ].join('\n'),
    html: true,
  };
}

function whoami({ name, role, userId, device, chatId }: ChatContext['person']): Answer {
  return {
    text: `${bold(name)}: ${role}\nDevice d${device}, user ${userId}${chatId === userId ? '' : `, chat ${chatId}`}`,
    html: true,
  };
}

async function agents(context: ChatContext, [verb, ...rest]: readonly string[], yes: boolean): Promise<Answer> {
  if (verb === 'start' || verb === 'stop')
    return confirmed(context, 'agents', actionNamed(`agents ${verb}`), rest, yes).then((said) =>
      withWords(said, 'agents', [verb, ...rest]),
    );
  if (verb) return shown(await perform(context, actionNamed('agents show'), verb === 'show' ? rest : [verb]));
  return agentsView(context);
}

/** The button of a confirmation repeats the command as it was typed. */
function withWords(said: Answer, command: string, words: readonly string[]): Answer {
  return {
    ...said,
    ...(said.buttons && {
      buttons: said.buttons.map((line) =>
        line.map((button) => (button.action === 'yes' ? { ...button, args: [command, ...words] } : button)),
      ),
    }),
  };
}

async function mission(context: ChatContext, [id, ...rest]: readonly string[]): Promise<Answer> {
  if (id === 'new') {
    if (!mayDo(context.person.role, 'operator'))
      throw new OpenClawError('E_NOT_ALLOWED', 'a new mission needs the role operator');
    return newMission(context, rest);
  }
  const number = /^m?(\d{1,18})$/.exec(id ?? '')?.[1];
  return number ? missionView(context, number) : missionsView(context);
}

async function answer(context: ChatContext, [id, ...why]: readonly string[], option: string): Promise<Answer> {
  const number = /^a?(\d{1,18})$/.exec(id ?? '')?.[1];
  if (!number) return approvalsView(context);
  const { rows } = await context.db.query<{ said: string }>('select answer_approval($1, $2, $3)::text as said', [
    number,
    option,
    why.join(' ') || null,
  ]);
  void rows;
  return { text: `${option === 'reject' ? '❌' : '✅'} ${bold(`a${number}`)}: ${escapeHtml(option)}`, html: true };
}

async function byLetter(
  context: ChatContext,
  verb: 'retry' | 'cancel',
  args: readonly string[],
  yes: boolean,
): Promise<Answer> {
  const noun = /^m\d/.test(args[0] ?? '') ? 'missions' : /^j\d/.test(args[0] ?? '') ? 'jobs' : undefined;
  if (!noun) return { text: `Which? /${verb} j7 for a job, /${verb} m12 for a mission. /missions shows the newest.` };
  return confirmed(context, verb, actionNamed(`${noun} ${verb}`), args, yes);
}

/** Ended from where it was begun. */
async function pause(context: ChatContext, args: readonly string[], yes: boolean): Promise<Answer> {
  const said = await confirmed(context, 'pause', actionNamed('pause'), args, yes);
  const [scope, target] = args;
  if (!scope || said.buttons) return said;
  const words = [scope, ...(target && !target.startsWith('-') && scope !== 'all' ? [target] : [])];
  return { ...said, buttons: [[{ label: `Resume ${words.join(' ')}`.slice(0, 40), action: 'resume', args: words }]] };
}

/** Without words: what is paused, each with its button. */
async function resume(context: ChatContext, args: readonly string[], yes: boolean): Promise<Answer> {
  if (args.length > 0) return confirmed(context, 'resume', actionNamed('resume'), args, yes);
  const { json, ...listed } = await perform(context, actionNamed('pause'), []);
  const paused = json as { scope: string; target: string }[];
  return {
    ...shown({ json, ...listed }),
    buttons: paused.slice(0, 8).map(({ scope, target }) => {
      const words = [scope, target].filter(Boolean);
      return [{ label: `Resume ${words.join(' ')}`.slice(0, 40), action: 'resume', args: words }];
    }),
  };
}

async function backup(context: ChatContext, [verb, ...rest]: readonly string[], yes: boolean): Promise<Answer> {
  if (verb !== 'run') return shown(await perform(context, actionNamed('backup list'), verb ? [verb, ...rest] : []));
  // A backup takes minutes: as a job it is retried and seen, and nobody waits for it here.
  return confirmed(context, 'backup', actionNamed('run'), ['backup', '{}'], yes);
}

async function mute({ db, person }: ChatContext, [word]: readonly string[]): Promise<Answer> {
  if (word === 'off') {
    await db.query('update telegram_chats set muted_until = null where chat_id = $1', [person.chatId]);
    return { text: '🔔 Alerts are on.' };
  }
  const match = /^(\d{1,3})\s*([mhd])$/.exec(word ?? '1h');
  if (!match) return { text: 'How long? /mute 30m, /mute 2h, /mute 1d, or /mute off.' };
  const unit = { m: 'minutes', h: 'hours', d: 'days' }[match[2] as 'm' | 'h' | 'd'];
  const { rows } = await db.query<{ until: Date }>(
    "update telegram_chats set muted_until = clock_now() + least($2::interval, '7 days') where chat_id = $1 returning muted_until as until",
    [person.chatId, `${match[1]} ${unit}`],
  );
  await db.query("select record_act('mute', 'chat ' || $1::text, null, jsonb_build_object('until', $2::timestamptz))", [
    person.chatId,
    rows[0]?.until ?? null,
  ]);
  return {
    text: `🔕 No alerts here until ${rows[0]?.until.toISOString().slice(0, 16).replace('T', ' ')} UTC. What is critical still comes.`,
    buttons: [[{ label: 'Unmute', action: 'mute', args: ['off'] }]],
  };
}

const CANVAS_LIMIT = 16_000;

/** Names without a slash only, and plain files only: nothing outside of the folder is ever read. */
async function canvas({ config }: ChatContext, [name]: readonly string[]): Promise<Answer> {
  const folder = config.layout.canvas;
  const names = (await readdir(folder, { withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort();
  if (!name) {
    if (names.length === 0) return { text: 'The canvas is empty: no agent has drawn anything yet.' };
    return {
      text: 'On the canvas:',
      buttons: names.slice(0, 10).map((one) => [{ label: one.slice(0, 40), action: 'canvas', args: [one] }]),
    };
  }
  if (!names.includes(name)) return { text: `There is no "${name.slice(0, 60)}" on the canvas. /canvas lists it.` };
  const file = path.join(folder, name);
  if ((await lstat(file)).size > 1 << 20)
    return { text: `${name} is larger than a message; look at it on the screen.` };
  const text = (await readFile(file, 'utf8')).replace(/[\p{Cc}]/gu, (char) =>
    char === '\n' || char === '\t' ? char : '',
  );
  return { text: `${bold(name)}\n${pre(text.slice(0, CANVAS_LIMIT) || '(empty)')}`, html: true };
}
