import { ACTIONS, type Action, type ActionResult } from '../../lib/actions/index.ts';
import { OpenClawError } from '../../lib/errors/index.ts';
import { escapeHtml, pre } from '../../lib/telegram/index.ts';
import { type Answer, type ChatContext, mayDo } from './types.ts';

/** Options that wait or follow: a chat is told of an end by a message of its own. */
const NOT_IN_A_CHAT = new Set(['wait', 'watch', 'follow', 'timeout', 'yes', 'file', 'key-file']);
const TEXT_LIMIT = 3500;

/** @throws E_NOT_HERE when this installation has no such action. */
export function actionNamed(name: string): Action {
  const found = ACTIONS.find((action) => action.name === name);
  if (found) return found;
  throw new OpenClawError('E_NOT_HERE', `this installation has no "${name}"`, {
    remedy: '/help shows what there is',
  });
}

/** Runs an action of the one table as this person: role, options and confirmation are checked here, as on every surface. */
export async function perform(
  context: ChatContext,
  action: Action,
  words: readonly string[],
  extra: Record<string, string | boolean> = {},
): Promise<ActionResult> {
  if (!mayDo(context.person.role, action.who)) {
    throw new OpenClawError(
      'E_NOT_ALLOWED',
      `${action.name} needs the role ${action.who}; yours is ${context.person.role}`,
      {
        remedy: 'ask the owner',
      },
    );
  }
  const { args, options } = readWords(action, words);
  return action.run(
    { db: context.db, config: context.config, log: context.log, say: () => undefined, signal: context.signal },
    { args, options: { ...options, ...extra } },
  );
}

/** `m12 --limit 5` by the table's own arguments and options. @throws E_ARGUMENT naming the word that does not fit. */
function readWords(
  action: Action,
  words: readonly string[],
): { args: (string | undefined)[]; options: Record<string, string | boolean | undefined> } {
  const options: Record<string, string | boolean | undefined> = {};
  const known = new Map<string, { takes: boolean; key: string }>();
  for (const option of action.options ?? []) {
    const name = /--([a-z-]+)/.exec(option.flags)![1]!;
    const key = name.replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());
    known.set(name, { takes: /[<[]/.test(option.flags), key });
    if (option.default !== undefined) options[key] = option.default;
  }
  const args: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const name = /^(?:--|—)([a-z-]+)$/.exec(word)?.[1];
    const option = name === undefined ? undefined : known.get(name);
    if (name !== undefined && (!option || NOT_IN_A_CHAT.has(name))) {
      throw new OpenClawError('E_ARGUMENT', `"--${name}" is no option of ${action.name} here`);
    }
    if (!option) args.push(word);
    else options[option.key] = option.takes ? (rest.shift() ?? '') : true;
  }
  const wanted = action.args ?? [];
  // The last argument takes the rest of the line: what people say has blanks.
  if (args.length > wanted.length && wanted.length > 0)
    args.splice(wanted.length - 1, args.length, args.slice(wanted.length - 1).join(' '));
  const missing = wanted.slice(args.length).find((argument) => !argument.optional);
  if (missing) {
    throw new OpenClawError('E_ARGUMENT', `${action.name} needs ${missing.name}: ${missing.description}`);
  }
  return { args: wanted.map((_argument, index) => args[index]), options };
}

/** What the action says, as a phone shows it: columns keep their places, the rest is short. */
export function shown({ text }: ActionResult): Answer {
  const cut = text.length > TEXT_LIMIT ? `${text.slice(0, TEXT_LIMIT)}\n…` : text;
  return { text: / {2,}\S/.test(cut) || cut.includes('\n') ? pre(cut) : escapeHtml(cut), html: true };
}

/** The same, after a confirmation where the table asks for one. */
export async function confirmed(
  context: ChatContext,
  command: string,
  action: Action,
  words: readonly string[],
  yes: boolean,
  extra: Record<string, string | boolean> = {},
): Promise<Answer> {
  if (action.danger === 'confirm' && !yes) {
    if (!mayDo(context.person.role, action.who)) await perform(context, action, words, extra);
    return {
      text: `${[action.name, ...words].join(' ')}: ${action.title.toLowerCase()}.\nSure? The button is good for 60 s.`,
      buttons: [
        [
          {
            label: 'Yes, do it',
            action: 'yes',
            args: [command, ...words],
            for_user: context.person.userId,
            expires_in: '60 s',
          },
          { label: 'No', action: 'no', for_user: context.person.userId, expires_in: '60 s' },
        ],
      ],
    };
  }
  return shown(await perform(context, action, words, extra));
}
