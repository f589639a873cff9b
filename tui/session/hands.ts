import { isThere, PAGES, pageNamed } from '../pages/index.ts';
import { THEME_NAMES } from '../view/theme.ts';
import type { Desk } from './desk.ts';
import type { Hands } from './keyTable.ts';
import { complete } from './palette.ts';

/** What each key of the table does at this desk. */
export function createHands(desk: Desk): Hands {
  const { seat, feed, actor, port, now, page, ui, view, row, draw, redraw, say, goTo, moveTo, finish } = desk;
  const hands: Hands = {
    go: (target) => {
      const found = pageNamed(target);
      if (found && !isThere(found, feed.state()))
        say(`${found.title} comes with a part that is not installed yet`, 'warn');
      else goTo({ page: target });
    },
    step: (pages) => {
      const tabs = PAGES.filter((one) => one.key !== undefined && isThere(one, feed.state()));
      const at = tabs.findIndex((one) => one.name === seat.place.page);
      goTo({ page: tabs[(Math.max(0, at) + pages + tabs.length) % tabs.length]!.name });
    },
    back: () => {
      const here = ui();
      if (here.filter !== '' || here.only !== '') Object.assign(here, { filter: '', only: '' });
      else if (here.marked.size > 0) here.marked.clear();
      else {
        const before = seat.trail.pop();
        if (before) goTo(before, false);
        else if (seat.place.page !== 'overview') goTo({ page: 'overview' }, false);
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
      seat.prompt = { kind: 'filter', text: ui().filter, suggestions: [] };
    },
    palette: () => {
      seat.prompt = { kind: 'palette', text: '', suggestions: complete('', actor.table(), feed.state()).slice(0, 8) };
      // The table of actions is read when somebody is about to need it.
      void actor.load().then(draw);
    },
    help: () => {
      seat.overlay = { kind: 'help', scroll: 0 };
    },
    freeze: () => {
      seat.frozen = seat.frozen ? undefined : { state: feed.state(), at: now() };
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
      seat.mouse = !seat.mouse;
      port.write(seat.mouse ? '\x1b[?1000h\x1b[?1006h' : '\x1b[?1000l\x1b[?1006l');
      say(
        seat.mouse
          ? 'mouse on: the wheel moves, a press chooses, a second one opens'
          : 'mouse off: the terminal selects text',
        'info',
      );
    },
    theme: () => {
      seat.theme = THEME_NAMES[(THEME_NAMES.indexOf(seat.theme) + 1) % THEME_NAMES.length]!;
      say(`theme ${seat.theme}`, 'info');
    },
    redraw: () => redraw(),
    quit: () => finish('quit'),
  };
  return hands;
}
