import type { Act, ActTarget, RowRef } from '../pages/types.ts';
import { plural } from '../view/format.ts';
import type { Actor } from './actor.ts';
import type { Overlay } from './overlays.ts';

export interface Acting {
  readonly act: Act;
  readonly rows: readonly RowRef[];
  readonly marked: boolean;
  readonly actor: Actor;
  /** Whether what is shown is what is so. */
  readonly live: () => boolean;
  readonly say: (text: string, style: 'good' | 'bad' | 'warn' | 'info') => void;
  readonly show: (overlay: (Overlay & { done?: (typed: string) => void }) | undefined) => void;
  readonly finished: () => void;
}

/** The most that one act on marked rows takes on. */
const BULK_LIMIT = 200;

/**
 * From a key to an act: may this person, can these rows, does it need a text, must it be confirmed. What is hard to reverse is
 * confirmed by typing its id, and an act on many by typing how many: no key that a paste or a slip could press does it.
 */
export function startAct(acting: Acting): void {
  void run(acting).catch((error: unknown) => acting.say(error instanceof Error ? error.message : String(error), 'bad'));
}

async function run(acting: Acting): Promise<void> {
  const { act, rows, marked, actor, live, say, show, finished } = acting;
  if (rows.length === 0 && !act.bulk) return say('there is nothing under the cursor', 'info');
  await actor.load();
  const refused = actor.refuses(act.action);
  if (refused) return say(refused, 'warn');
  if (!live()) return say('what you see is not live: acts are off', 'warn');
  if (act.bulk) return askBulk(acting);
  const can: { row: RowRef; target: ActTarget }[] = [];
  const cannot: string[] = [];
  for (const row of rows.slice(0, BULK_LIMIT)) {
    if (can.length >= BULK_LIMIT) break;
    const target = act.on(row);
    if (typeof target === 'string') cannot.push(target);
    else for (const one of 'args' in target ? [target] : target) can.push({ row, target: one });
  }
  if (can.length === 0) return say(cannot[0] ?? 'nothing can be done', 'warn');
  const many = marked || can.length > 1;
  const danger = act.confirm || actor.table().find(({ name }) => name === act.action)?.danger === 'confirm';

  const perform = async (text?: string) => {
    show(undefined);
    if (!live()) return say('the link was lost: nothing was done', 'bad');
    await actAll({ act, can, actor, say, ...(text !== undefined && { text }) });
    finished();
  };
  const confirm = (text?: string) => {
    if (!danger && !many) return void perform(text).catch(fail);
    const word = many ? String(can.length) : can[0]!.target.target;
    const ids = can.map(({ target }) => target.target);
    const lines = [
      marked
        ? `${act.label} ${plural(can.length, 'row')}: ${ids.slice(0, 8).join(' ')}${ids.length > 8 ? ' …' : ''}`
        : `${act.help} (${word})`,
      ...(cannot.length > 0 ? [`${plural(cannot.length, 'row')} of the marked cannot: ${cannot[0]}`] : []),
      ...(rows.length > BULK_LIMIT ? [`only the first ${BULK_LIMIT} of ${rows.length} are taken at once`] : []),
      '',
      `Type ${word} and press enter.`,
    ];
    show({ kind: 'confirm', title: act.label, lines, word, typed: '', done: () => void perform(text).catch(fail) });
  };
  const fail = (error: unknown) => say(error instanceof Error ? error.message : String(error), 'bad');
  if (!act.ask) return confirm();
  show({
    kind: 'ask',
    title: act.label,
    lines: [act.ask.question],
    typed: '',
    done: (typed) => {
      if (typed === '' && !act.ask?.optional) return say('nothing was typed: nothing happened', 'warn');
      confirm(typed);
    },
  });
}

/** On all that match conditions, shown or not: first only counted, then confirmed by that number, then done. */
function askBulk({ act, actor, live, say, show, finished }: Acting): void {
  const fail = (error: unknown) => say(error instanceof Error ? error.message : String(error), 'bad');
  const apply = async (filter: string) => {
    show(undefined);
    if (!live()) return say('the link was lost: nothing was done', 'bad');
    const result = await actor.perform(act.action, [], { filter, apply: true });
    say(result.text.split('\n')[0]!, result.ok ? 'good' : 'bad');
    finished();
  };
  const count = async (filter: string) => {
    const found = await actor.perform(act.action, [], { filter });
    if (!found.ok) return say(found.text, 'bad');
    const { matched } = found.json as { matched: number };
    if (matched === 0) return say(`nothing matches ${filter}`, 'info');
    const [text] = found.text.split('\n');
    show({
      kind: 'confirm',
      title: act.label,
      lines: [text!, '', `Type ${matched} and press enter.`],
      word: String(matched),
      typed: '',
      done: () => void apply(filter).catch(fail),
    });
  };
  show({
    kind: 'ask',
    title: act.label,
    lines: [act.ask!.question],
    typed: '',
    done: (filter) =>
      filter === '' ? say('nothing was typed: nothing happened', 'warn') : void count(filter).catch(fail),
  });
}

interface All {
  readonly act: Act;
  readonly can: readonly { readonly row: RowRef; readonly target: ActTarget }[];
  readonly actor: Actor;
  readonly say: Acting['say'];
  readonly text?: string;
}

/** Each row is looked at again first: what has changed since it was drawn is left alone. */
async function actAll({ act, can, actor, say, text }: All): Promise<void> {
  const states = await actor.statesOf(can.map(({ target }) => target.target));
  const done: string[] = [];
  const failed: string[] = [];
  for (const { row, target } of can) {
    const state = states.get(target.target);
    if (state !== undefined && typeof act.on({ ...row, state }) === 'string') {
      failed.push(`${target.target} is ${state} by now: nothing was done to it`);
      continue;
    }
    const option = act.ask?.option;
    const result = await actor.perform(
      act.action,
      text !== undefined && text !== '' && !option ? [...target.args, text] : target.args,
      { ...target.options, ...(text && option ? { [option]: text } : {}) },
    );
    if (result.ok) done.push(result.text.split('\n')[0]!);
    else failed.push(result.text.split('\n')[0]!);
  }
  if (failed.length === 0)
    return say(done.length === 1 ? done[0]! : `${act.label}: ${plural(done.length, 'row')} done`, 'good');
  say(
    `${done.length > 0 ? `${plural(done.length, 'row')} done, ` : ''}${failed.length > 1 ? `${failed.length} not: ` : ''}${failed[0]}`,
    'bad',
  );
}
