import type { Act } from '../pages/types.ts';
import { clean } from '../view/text.ts';
import { startAct } from './acting.ts';
import type { Desk } from './desk.ts';
import type { Hands } from './keyTable.ts';
import { complete, parseCommand } from './palette.ts';

interface Key {
  readonly name: string;
  readonly text: string;
}

/** Everything that asks: the filter and the palette at the bottom, questions and texts over the page. */
export interface Dialogs {
  readonly act: (chosen: Act) => void;
  readonly inPrompt: (key: Key) => void;
  readonly inOverlay: (key: Key) => void;
}

export function createDialogs(desk: Desk, hands: Hands): Dialogs {
  const { seat, feed, actor, ui, view, row, draw, say, goTo } = desk;
  function act(chosen: Act): void {
    const here = ui();
    const rows = (view()?.rows ?? []).filter(({ id }) => here.marked.has(id));
    startAct({
      act: chosen,
      rows: rows.length > 0 ? rows : row() ? [row()!] : [],
      marked: rows.length > 0,
      actor,
      live: () => feed.state().postgres.up && !seat.frozen,
      say,
      show: (next) => {
        seat.overlay = next;
        draw();
      },
      finished: () => {
        here.marked.clear();
        feed.refresh();
      },
    });
  }

  function command(text: string) {
    const parsed = parseCommand(text, actor.table(), feed.state());
    if (parsed.kind === 'none') return;
    if (parsed.kind === 'error') return say(parsed.message, 'warn');
    if (parsed.kind === 'go') return goTo(parsed.place);
    if (parsed.kind === 'theme') {
      seat.theme = parsed.theme;
      return;
    }
    if (parsed.kind === 'key') return parsed.entry.run(hands);
    void runVerb(parsed.action, parsed.args, parsed.options, parsed.text);
  }

  async function runVerb(
    action: string,
    args: readonly string[],
    given: Readonly<Record<string, string | boolean>>,
    text: string,
  ): Promise<void> {
    const run = async () => {
      say(`${text} …`, 'info');
      const result = await actor.perform(action, args, given);
      const lines = result.text.split('\n');
      if (lines.length === 1) return say(lines[0]!, result.ok ? 'good' : 'bad');
      seat.overlay = {
        kind: 'text',
        title: `${action}${result.ok ? '' : ' (failed)'}`,
        lines: lines.map(clean),
        scroll: 0,
      };
      draw();
    };
    const reason = actor.refuses(action);
    if (reason) return say(reason, 'warn');
    if (!feed.state().postgres.up) return say('Postgres is away: nothing can be done now', 'bad');
    if (actor.table().find((one) => one.name === action)?.danger !== 'confirm') return run();
    const word = args[0] ?? action.split(' ').at(-1)!;
    seat.overlay = {
      kind: 'confirm',
      title: action,
      lines: [`${text}: this is hard to reverse.`, `Type ${word} and press enter.`],
      word,
      typed: '',
      done: () => void run(),
    };
    draw();
  }

  function inPrompt(key: { name: string; text: string }): void {
    const now_ = seat.prompt!;
    const set = (text: string) => {
      seat.prompt = {
        ...now_,
        text,
        suggestions: now_.kind === 'palette' ? complete(text, actor.table(), feed.state()) : [],
      };
      if (now_.kind === 'filter') Object.assign(ui(), { filter: text, selected: undefined, index: 0 });
    };
    if (key.name === 'escape' || key.name === 'ctrl-c') {
      if (now_.kind === 'filter') ui().filter = '';
      seat.prompt = undefined;
    } else if (key.name === 'enter') {
      seat.prompt = undefined;
      if (now_.kind === 'palette') command(now_.text);
    } else if (key.name === 'backspace') {
      if (now_.text === '') seat.prompt = undefined;
      else set([...now_.text].slice(0, -1).join(''));
    } else if (key.name === 'ctrl-u') set('');
    else if (key.name === 'ctrl-w') set(now_.text.replace(/\S+\s*$/, ''));
    else if (key.name === 'tab' && now_.suggestions[0]) set(`${now_.suggestions[0]} `.replace(/ {2}$/, ' '));
    else if (key.text !== '') set((now_.text + key.text).slice(0, 500));
  }

  function inOverlay(key: { name: string; text: string }) {
    const over = seat.overlay!;
    if (over.kind === 'help' || over.kind === 'text') {
      const by = { j: 1, down: 1, k: -1, up: -1, pagedown: 10, pageup: -10, space: 10 }[key.name];
      const most = over.kind === 'text' ? Math.max(0, over.lines.length - 5) : 60;
      if (by !== undefined) seat.overlay = { ...over, scroll: Math.max(0, Math.min(most, over.scroll + by)) };
      else seat.overlay = undefined;
      return;
    }
    if (key.name === 'escape' || key.name === 'ctrl-c') seat.overlay = undefined;
    else if (key.name === 'backspace') seat.overlay = { ...over, typed: [...over.typed].slice(0, -1).join('') };
    else if (key.name === 'enter') {
      if (over.kind === 'confirm' && over.typed.trim() !== over.word)
        return say(`that is not "${over.word}": nothing happened`, 'warn');
      seat.overlay = undefined;
      over.done?.(over.typed.trim());
    } else if (key.text !== '') seat.overlay = { ...over, typed: (over.typed + key.text).slice(0, 500) };
  }
  return { act, inPrompt, inOverlay };
}
