import { EXIT, OpenClawError } from '../../lib/errors/index.ts';
import { openFeed } from '../feed/feed.ts';
import type { Locals } from '../feed/locals.ts';
import { PAGES, pageNamed } from '../pages/index.ts';
import { frameText } from '../view/frame.ts';
import { ASCII, UNICODE } from '../view/glyphs.ts';
import { shell } from './shell.ts';
import { newPageUi, type Place } from './ui.ts';

export interface OnceOptions {
  readonly reader: (anew: boolean) => string;
  readonly locals?: Locals;
  readonly columns: number;
  readonly rows: number;
  /** A page, or one with an id: `mission 12`. */
  readonly page: string;
  readonly json: boolean;
  readonly ascii: boolean;
  readonly name: string;
}

const FIRST_SNAPSHOT_MS = 10_000;

/** One picture of a page as text, or what it is made of as JSON: for scripts, and where there is no terminal. */
export async function once(options: OnceOptions): Promise<string> {
  const [name = '', id] = options.page.trim().split(/\s+/);
  const page = pageNamed(name) ?? PAGES.find(({ title }) => title === options.page);
  if (!page) {
    throw new OpenClawError('E_ARGUMENT', `there is no page "${options.page}"`, {
      expected: PAGES.map((one) => one.name).join(', '),
      exitCode: EXIT.usage,
    });
  }
  const place: Place = id === undefined ? { page: page.name } : { page: page.name, id: id.replace(/^[a-z]/, '') };
  const ids = place.id === undefined ? [] : [Number(place.id)];
  const feed = openFeed({ reader: options.reader, ...(options.locals && { locals: options.locals }) });
  try {
    feed.demand(feed, {
      sections: page.sections,
      missions: page.name === 'mission' ? ids : [],
      jobs: page.name === 'job' ? ids : [],
    });
    const until = Date.now() + FIRST_SNAPSHOT_MS;
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        const state = feed.state();
        if (
          state.at > 0 &&
          page.sections.every(
            (section) => section.name in state.data || state.absent.has(section.name) || state.broken.has(section.name),
          )
        )
          resolve();
        else if (Date.now() > until)
          reject(
            new OpenClawError('E_NO_SNAPSHOT', `Postgres gave no snapshot: ${state.postgres.error ?? 'no answer'}`, {
              remedy: 'openclaw status',
              exitCode: EXIT.tempfail,
            }),
          );
        else setTimeout(look, 20);
      };
      look();
    });
    const state = feed.state();
    if (options.json) {
      return JSON.stringify({
        page: page.name,
        ...(place.id && { id: place.id }),
        at: new Date(state.at + state.skewMs).toISOString(),
        absent: [...state.absent],
        broken: Object.fromEntries(state.broken),
        ...state.data,
      });
    }
    const glyphs = options.ascii ? ASCII : UNICODE;
    const { frame } = shell({
      columns: options.columns,
      rows: options.rows,
      state,
      place,
      page,
      ui: newPageUi(),
      glyphs,
      name: options.name,
      who: 'once',
      role: 'viewer',
      now: Date.now(),
    });
    return frameText(frame, glyphs);
  } finally {
    await feed.stop();
  }
}
