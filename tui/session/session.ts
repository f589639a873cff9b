import type { Feed } from '../feed/feed.ts';
import { PAGES, pageNamed } from '../pages/index.ts';
import type { Page, PageView, RowRef } from '../pages/types.ts';
import { decodeKeys, type Input } from '../terminal/keys.ts';
import { createPainter } from '../terminal/painter.ts';
import type { TerminalPlan } from '../terminal/plan.ts';
import type { Port } from '../terminal/port.ts';
import { ASCII, UNICODE } from '../view/glyphs.ts';
import { clean } from '../view/text.ts';
import { THEMES, type ThemeName } from '../view/theme.ts';
import type { Actor } from './actor.ts';
import type { Desk, Seat, Tone } from './desk.ts';
import { createDialogs } from './dialogs.ts';
import { createHands } from './hands.ts';
import { KEYS, PAGE_KEYS } from './keyTable.ts';
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
  const painter = createPainter(port.write, port, { ...plan, charts: plan.charts && glyphs.unicode });
  const uis = new Map<string, PageUi>();
  const seat: Seat = {
    place: { page: 'overview' },
    trail: [],
    theme: options.theme ?? (plan.colours ? 'dark' : 'mono'),
    mouse: false,
  };
  let last: Shell | undefined;
  let flash: { text: string; style: Tone; until: number } | undefined;
  let frames = 0;
  let lastFrame = 0;
  let lastKey = now();
  let dirty = false;
  let timer: NodeJS.Timeout | undefined;
  let resizeTimer: NodeJS.Timeout | undefined;
  let flashTimer: NodeJS.Timeout | undefined;
  let ended = false;

  const page = (): Page => pageNamed(seat.place.page) ?? PAGES[0]!;
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
  const ui = () => uiOf(seat.place);
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
      state: seat.frozen?.state ?? feed.state(),
      place: seat.place,
      page: page(),
      ui: ui(),
      glyphs,
      name,
      who: actor.name,
      role: actor.role,
      ...(seat.frozen && { frozenAt: seat.frozen.at }),
      ...(seat.overlay && { overlay: seat.overlay }),
      ...(seat.prompt && { prompt: seat.prompt }),
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
    if (painter.draw(last.frame, glyphs, THEMES[seat.theme])) frames++;
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
    const missions = seat.place.page === 'mission' && seat.place.id ? [Number(seat.place.id)] : [];
    const jobs = seat.place.page === 'job' && seat.place.id ? [Number(seat.place.id)] : [];
    feed.demand(seat, { sections: page().sections, missions, jobs });
  }

  function say(text: string, style: Tone = 'info'): void {
    flash = { text, style, until: now() + FLASH_MS };
    clearTimeout(flashTimer);
    flashTimer = setTimeout(draw, FLASH_MS + 20);
    draw();
  }

  function goTo(next: Place, remember = true) {
    if (!pageNamed(next.page)) return say(`there is no page "${next.page}"`, 'warn');
    if (placeKey(next) === placeKey(seat.place)) return;
    if (remember) seat.trail.push(seat.place);
    if (seat.trail.length > 50) seat.trail.shift();
    seat.place = next;
    demand();
  }

  function moveTo(index: number): void {
    const rows = view()?.rows ?? [];
    if (rows.length === 0) return;
    const to = Math.max(0, Math.min(rows.length - 1, index));
    Object.assign(ui(), { selected: rows[to]!.id, index: to, scroll: 0 });
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
      if (seat.prompt) dialogs.inPrompt({ name: 'paste', text });
      else if (seat.overlay?.kind === 'ask') dialogs.inOverlay({ name: 'paste', text });
      else say('a paste does nothing here', 'info');
    } else if (input.kind === 'mouse') onMouse(input);
    else if (seat.overlay) dialogs.inOverlay(input);
    else if (seat.prompt) dialogs.inPrompt(input);
    else {
      const entry = [...KEYS, ...PAGE_KEYS].find(({ keys }) => keys.includes(input.name));
      const chosen = page().acts.find(({ key }) => key === input.name);
      if (chosen) dialogs.act(chosen);
      else if (entry) entry.run(hands);
      else return;
    }
    draw();
  }

  function onMouse({ what, y }: Extract<Input, { kind: 'mouse' }>) {
    if (seat.overlay || seat.prompt) return;
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
    feed.demand(seat, undefined);
    painter.end();
    onEnd(reason);
  }

  const desk: Desk = {
    seat,
    feed,
    actor,
    port,
    now,
    page,
    ui,
    view,
    row,
    draw,
    redraw: () => painter.resize(port.columns, port.rows),
    say,
    goTo,
    moveTo,
    finish,
  };
  const hands = createHands(desk);
  const dialogs = createDialogs(desk, hands);
  const unsubscribe = feed.subscribe(() => {
    if (!seat.frozen) touch();
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
  return { flush: draw, input: onInput, frames: () => frames, place: () => seat.place, end: () => finish('end') };
}
