import type { Feed } from '../feed/feed.ts';
import type { State } from '../feed/state.ts';
import { isThere, PAGES, pageNamed } from '../pages/index.ts';
import type { Act, Page, PageView, RowRef } from '../pages/types.ts';
import { decodeKeys, type Input } from '../terminal/keys.ts';
import { createPainter } from '../terminal/painter.ts';
import type { TerminalPlan } from '../terminal/plan.ts';
import type { Port } from '../terminal/port.ts';
import { ASCII, UNICODE } from '../view/glyphs.ts';
import { clean } from '../view/text.ts';
import { THEME_NAMES, THEMES, type ThemeName } from '../view/theme.ts';
import { startAct } from './acting.ts';
import type { Actor } from './actor.ts';
import { type Hands, KEYS, PAGE_KEYS } from './keyTable.ts';
import type { Overlay, Prompt } from './overlays.ts';
import { complete, parseCommand } from './palette.ts';
import { LEAST, type Shell, shell } from './shell.ts';
import { newPageUi, type PageUi, type Place, placeKey } from './ui.ts';

export interface SessionOptions {
  readonly feed: Feed;
  readonly port: Port;
  readonly plan: TerminalPlan;
  readonly actor: Actor;
  readonly name: string;
  readonly ascii?: boolean;
  readonly theme?: ThemeName;
  readonly onEnd: (reason: string) => void;
  readonly now?: () => number;
  /** Frames a second at most; keys are drawn at once. */
  readonly fps?: number;
  readonly resizeMs?: number;
  /** Without a key for so long, one frame in five seconds. */
  readonly idleMs?: number;
}

export interface Session {
  /** Draws now, if the terminal takes it. For tests, and at the first snapshot. */
  flush: () => void;
  input: (input: Input) => void;
  frames: () => number;
  place: () => Place;
  end: () => void;
}

const FLASH_MS = 6000;
const IDLE_FRAME_MS = 5000;

/** One viewer: its place, its cursor, its terminal. Everything that it shows comes from the shared feed. */
export function openSession(options: SessionOptions): Session {
  const {
    feed,
    port,
    plan,
    actor,
    name,
    onEnd,
    now = Date.now,
    fps = 4,
    resizeMs = 80,
    idleMs = 30 * 60_000,
  } = options;
  const glyphs = options.ascii || !plan.unicode ? ASCII : UNICODE;
  let theme: ThemeName = options.theme ?? (plan.colours ? 'dark' : 'mono');
  const painter = createPainter(port.write, port, { ...plan, charts: plan.charts && glyphs.unicode });
  const uis = new Map<string, PageUi>();
  const trail: Place[] = [];
  let place: Place = { page: 'overview' };
  let last: Shell | undefined;
  let frozen: { state: State; at: number } | undefined;
  let overlay: (Overlay & { done?: (typed: string) => void }) | undefined;
  let prompt: Prompt | undefined;
  let flash: { text: string; style: 'good' | 'bad' | 'warn' | 'info'; until: number } | undefined;
  let mouse = false;
  let frames = 0;
  let lastFrame = 0;
  let lastKey = now();
  let dirty = false;
  let timer: NodeJS.Timeout | undefined;
  let resizeTimer: NodeJS.Timeout | undefined;
  let flashTimer: NodeJS.Timeout | undefined;
  let ended = false;

  const page = (): Page => pageNamed(place.page) ?? PAGES[0]!;
  const uiOf = (where: Place): PageUi => {
    const key = placeKey(where);
    let ui = uis.get(key);
    if (!ui) {
      ui = newPageUi();
      uis.set(key, ui);
      // Details that were looked at long ago are forgotten.
      if (uis.size > 200) uis.delete(uis.keys().next().value!);
    }
    return ui;
  };
  const ui = () => uiOf(place);
  const view = (): PageView | undefined => last?.view;
  const row = (): RowRef | undefined => view()?.rows[view()!.cursor];
  const isSmall = () => port.columns < LEAST.columns || port.rows < LEAST.rows;

  function draw(): void {
    if (ended) return;
    if (port.busy()) {
      dirty = true;
      return;
    }
    dirty = false;
    clearTimeout(timer);
    timer = undefined;
    lastFrame = now();
    if (flash && flash.until <= lastFrame) flash = undefined;
    last = shell({
      columns: port.columns,
      rows: port.rows,
      state: frozen?.state ?? feed.state(),
      place,
      page: page(),
      ui: ui(),
      glyphs,
      name,
      who: actor.name,
      role: actor.role,
      ...(frozen && { frozenAt: frozen.at }),
      ...(overlay && { overlay }),
      ...(prompt && { prompt }),
      ...(flash && { flash }),
      now: lastFrame,
    });
    const shown = last.view;
    if (shown) {
      const at = ui();
      at.index = Math.max(0, shown.cursor);
      // The cursor stays on the row that it was put on, wherever that moves.
      if (at.selected !== undefined) at.selected = shown.rows[shown.cursor]?.id ?? at.selected;
    }
    if (painter.draw(last.frame, glyphs, THEMES[theme])) frames++;
  }

  /** A change of the data: at the next frame. */
  function touch(): void {
    if (ended || timer) return;
    const gap = now() - lastKey > idleMs ? IDLE_FRAME_MS : 1000 / fps;
    const wait = lastFrame + gap - now();
    if (wait <= 0) draw();
    else timer = setTimeout(draw, wait);
  }

  function demand(): void {
    const missions = place.page === 'mission' && place.id ? [Number(place.id)] : [];
    const jobs = place.page === 'job' && place.id ? [Number(place.id)] : [];
    feed.demand(hands, { sections: page().sections, missions, jobs });
  }

  function say(text: string, style: 'good' | 'bad' | 'warn' | 'info' = 'info'): void {
    flash = { text, style, until: now() + FLASH_MS };
    clearTimeout(flashTimer);
    flashTimer = setTimeout(draw, FLASH_MS + 20);
    draw();
  }

  function goTo(next: Place, remember = true) {
    if (!pageNamed(next.page)) return say(`there is no page "${next.page}"`, 'warn');
    if (placeKey(next) === placeKey(place)) return;
    if (remember) trail.push(place);
    if (trail.length > 50) trail.shift();
    place = next;
    demand();
  }

  function moveTo(index: number): void {
    const rows = view()?.rows ?? [];
    if (rows.length === 0) return;
    const to = Math.max(0, Math.min(rows.length - 1, index));
    Object.assign(ui(), { selected: rows[to]!.id, index: to, scroll: 0 });
  }

  const hands: Hands = {
    go: (target) => {
      const found = pageNamed(target);
      if (found && !isThere(found, feed.state()))
        say(`${found.title} comes with a part that is not installed yet`, 'warn');
      else goTo({ page: target });
    },
    step: (pages) => {
      const tabs = PAGES.filter((one) => one.key !== undefined && isThere(one, feed.state()));
      const at = tabs.findIndex((one) => one.name === place.page);
      goTo({ page: tabs[(Math.max(0, at) + pages + tabs.length) % tabs.length]!.name });
    },
    back: () => {
      const here = ui();
      if (here.filter !== '' || here.only !== '') Object.assign(here, { filter: '', only: '' });
      else if (here.marked.size > 0) here.marked.clear();
      else {
        const before = trail.pop();
        if (before) goTo(before, false);
        else if (place.page !== 'overview') goTo({ page: 'overview' }, false);
      }
    },
    open: () => {
      const chosen = row();
      if (chosen?.open) goTo(chosen.open);
      else if (chosen?.folds) {
        const { open } = ui();
        if (!open.delete(chosen.id)) open.add(chosen.id);
      }
    },
    move: (rows) => moveTo((view()?.cursor ?? 0) + rows),
    screenful: (screens) => moveTo((view()?.cursor ?? 0) + screens * Math.max(1, (view()?.listAt?.height ?? 10) - 1)),
    edge: (end) => moveTo(end === 'first' ? 0 : Number.MAX_SAFE_INTEGER),
    scroll: (rows) => {
      ui().scroll = Math.max(0, ui().scroll + rows);
    },
    mark: () => {
      const chosen = row();
      if (!chosen) return;
      if (!ui().marked.delete(chosen.id)) ui().marked.add(chosen.id);
      hands.move(1);
    },
    markAll: () => {
      const rows = view()?.rows ?? [];
      const { marked } = ui();
      const all = rows.every(({ id }) => marked.has(id));
      for (const { id } of rows) all ? marked.delete(id) : marked.add(id);
    },
    only: () => {
      const { filters } = page();
      if (!filters) return say('this page has one list only', 'info');
      const order = ['', ...filters];
      ui().only = order[(order.indexOf(ui().only) + 1) % order.length]!;
    },
    filter: () => {
      prompt = { kind: 'filter', text: ui().filter, suggestions: [] };
    },
    palette: () => {
      prompt = { kind: 'palette', text: '', suggestions: complete('', actor.table(), feed.state()).slice(0, 8) };
      // The table of actions is read when somebody is about to need it.
      void actor.load().then(draw);
    },
    help: () => {
      overlay = { kind: 'help', scroll: 0 };
    },
    freeze: () => {
      frozen = frozen ? undefined : { state: feed.state(), at: now() };
    },
    copy: () => {
      const chosen = row();
      if (!chosen) return;
      const text = chosen.copy ?? chosen.id;
      port.write(`\x1b]52;c;${Buffer.from(text).toString('base64')}\x07`);
      say(`copied ${text}`, 'good');
    },
    retryLink: () => {
      feed.retry();
      say('trying the link', 'info');
    },
    mouse: () => {
      mouse = !mouse;
      port.write(mouse ? '\x1b[?1000h\x1b[?1006h' : '\x1b[?1000l\x1b[?1006l');
      say(
        mouse
          ? 'mouse on: the wheel moves, a press chooses, a second one opens'
          : 'mouse off: the terminal selects text',
        'info',
      );
    },
    theme: () => {
      theme = THEME_NAMES[(THEME_NAMES.indexOf(theme) + 1) % THEME_NAMES.length]!;
      say(`theme ${theme}`, 'info');
    },
    redraw: () => painter.resize(port.columns, port.rows),
    quit: () => finish('quit'),
  };

  function act(chosen: Act): void {
    const here = ui();
    const rows = (view()?.rows ?? []).filter(({ id }) => here.marked.has(id));
    startAct({
      act: chosen,
      rows: rows.length > 0 ? rows : row() ? [row()!] : [],
      marked: rows.length > 0,
      actor,
      live: () => feed.state().postgres.up && !frozen,
      say,
      show: (next) => {
        overlay = next;
        draw();
      },
      finished: () => {
        here.marked.clear();
        feed.retry();
      },
    });
  }

  function command(text: string) {
    const parsed = parseCommand(text, actor.table(), feed.state());
    if (parsed.kind === 'none') return;
    if (parsed.kind === 'error') return say(parsed.message, 'warn');
    if (parsed.kind === 'go') return goTo(parsed.place);
    if (parsed.kind === 'theme') {
      theme = parsed.theme;
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
      flash = undefined;
      const lines = result.text.split('\n');
      if (lines.length === 1) return say(lines[0]!, result.ok ? 'good' : 'bad');
      overlay = { kind: 'text', title: `${action}${result.ok ? '' : ' (failed)'}`, lines: lines.map(clean), scroll: 0 };
      draw();
    };
    const reason = actor.refuses(action);
    if (reason) return say(reason, 'warn');
    if (!feed.state().postgres.up) return say('Postgres is away: nothing can be done now', 'bad');
    if (actor.table().find((one) => one.name === action)?.danger !== 'confirm') return run();
    const word = args[0] ?? action.split(' ').at(-1)!;
    overlay = {
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
    const now_ = prompt!;
    const set = (text: string) => {
      prompt = {
        ...now_,
        text,
        suggestions: now_.kind === 'palette' ? complete(text, actor.table(), feed.state()) : [],
      };
      if (now_.kind === 'filter') Object.assign(ui(), { filter: text, selected: undefined, index: 0 });
    };
    if (key.name === 'escape' || key.name === 'ctrl-c') {
      if (now_.kind === 'filter') ui().filter = '';
      prompt = undefined;
    } else if (key.name === 'enter') {
      prompt = undefined;
      if (now_.kind === 'palette') command(now_.text);
    } else if (key.name === 'backspace') {
      if (now_.text === '') prompt = undefined;
      else set([...now_.text].slice(0, -1).join(''));
    } else if (key.name === 'ctrl-u') set('');
    else if (key.name === 'ctrl-w') set(now_.text.replace(/\S+\s*$/, ''));
    else if (key.name === 'tab' && now_.suggestions[0]) set(`${now_.suggestions[0]} `.replace(/ {2}$/, ' '));
    else if (key.text !== '') set((now_.text + key.text).slice(0, 500));
  }

  function inOverlay(key: { name: string; text: string }) {
    const over = overlay!;
    if (over.kind === 'help' || over.kind === 'text') {
      const by = { j: 1, down: 1, k: -1, up: -1, pagedown: 10, pageup: -10, space: 10 }[key.name];
      const most = over.kind === 'text' ? Math.max(0, over.lines.length - 5) : 60;
      if (by !== undefined) overlay = { ...over, scroll: Math.max(0, Math.min(most, over.scroll + by)) };
      else overlay = undefined;
      return;
    }
    if (key.name === 'escape' || key.name === 'ctrl-c') overlay = undefined;
    else if (key.name === 'backspace') overlay = { ...over, typed: [...over.typed].slice(0, -1).join('') };
    else if (key.name === 'enter') {
      if (over.kind === 'confirm' && over.typed.trim() !== over.word)
        return say(`that is not "${over.word}": nothing happened`, 'warn');
      overlay = undefined;
      over.done?.(over.typed.trim());
    } else if (key.text !== '') overlay = { ...over, typed: (over.typed + key.text).slice(0, 500) };
  }

  function onInput(input: Input): void {
    if (ended) return;
    lastKey = now();
    if (isSmall()) {
      // Nothing can be seen, so nothing is done.
      if (input.kind === 'key' && input.name === 'ctrl-c') finish('quit');
      return;
    }
    if (input.kind === 'paste') {
      // A paste types into a prompt, never into a confirmation and never as keys.
      const text = clean(input.text).trim();
      if (prompt) inPrompt({ name: 'paste', text });
      else if (overlay?.kind === 'ask') inOverlay({ name: 'paste', text });
      else say('a paste does nothing here', 'info');
    } else if (input.kind === 'mouse') onMouse(input);
    else if (overlay) inOverlay(input);
    else if (prompt) inPrompt(input);
    else {
      const entry = [...KEYS, ...PAGE_KEYS].find(({ keys }) => keys.includes(input.name));
      const chosen = page().acts.find(({ key }) => key === input.name);
      if (chosen) act(chosen);
      else if (entry) entry.run(hands);
      else return;
    }
    draw();
  }

  function onMouse({ what, y }: Extract<Input, { kind: 'mouse' }>) {
    if (overlay || prompt) return;
    if (what !== 'press') return hands.move(what === 'up' ? -3 : 3);
    const list = view()?.listAt;
    if (!list || y < list.y || y >= list.y + list.height) return;
    const index = list.first + y - list.y;
    if (index === view()?.cursor) hands.open();
    else moveTo(index);
  }

  function finish(reason: string): void {
    if (ended) return;
    ended = true;
    for (const one of [timer, resizeTimer, flashTimer]) clearTimeout(one);
    unsubscribe();
    feed.demand(hands, undefined);
    painter.end();
    onEnd(reason);
  }

  const unsubscribe = feed.subscribe(() => {
    if (!frozen) touch();
  });
  port.onInput(decodeKeys(onInput));
  port.onDrain(() => {
    if (dirty) draw();
  });
  port.onResize(() => {
    clearTimeout(resizeTimer);
    resizeTimer = setTimeout(() => {
      painter.resize(port.columns, port.rows);
      draw();
    }, resizeMs);
  });
  // Pastes come in brackets, so that they can be told from keys.
  port.write('\x1b[?2004h');
  demand();
  draw();
  return { flush: draw, input: onInput, frames: () => frames, place: () => place, end: () => finish('end') };
}
