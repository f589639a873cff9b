import { clock, since } from '../view/format.ts';
import type { Line } from '../view/frame.ts';
import type { ShellInput } from './shell.ts';

/** Rows above the page that say why it may not be what is so: each owns its row. */
export const banners = (input: ShellInput): Line[] => [
  ...linkBanners(input),
  ...brokenBanners(input).slice(0, 2),
  ...(input.frozenAt ? [frozenBanner(input)] : []),
];

function linkBanners({ state, now, glyphs }: ShellInput): Line[] {
  const found: Line[] = [];
  const { postgres, redis } = state;
  if (!postgres.up && (state.at > 0 || postgres.error)) {
    const retry = postgres.retryAt ? Math.ceil((postgres.retryAt - now) / 1000) : 0;
    // A stopped system is no riddle: its own server is not there.
    const absent = /ENOENT|ECONNREFUSED/.test(postgres.error ?? '') ? ': nothing listens (openclaw up)' : '';
    found.push({
      spans: [
        ` ${glyphs.states.bad} Postgres does not answer for ${since(postgres.since, now)}${absent}`,
        ` ${glyphs.dot} acts are off ${glyphs.dot} next try ${retry > 0 ? `in ${retry} s` : 'now'} (R)`,
        state.at > 0 ? ` ${glyphs.dot} what you see is from ${clock(state.at, now)}` : '',
        postgres.error ? ` ${glyphs.dot} ${postgres.error}` : '',
      ],
      fill: 'alarm',
    });
  }
  if (!redis.up) {
    found.push({
      spans: [
        ` ${glyphs.states.warn} Redis does not answer for ${since(redis.since, now)}: everything goes on, only slower to notice ${glyphs.dot} it is tried each second`,
      ],
      fill: 'warn',
    });
  }
  return found;
}

/** What the database refuses to give of this page: an empty list would look like an empty queue. */
function brokenBanners({ state, page, glyphs }: ShellInput): Line[] {
  return page.sections
    .filter(({ name }) => state.broken.has(name))
    .map(({ name }) => ({
      spans: [` ${glyphs.states.bad} ${name.replace(/_/g, ' ')} cannot be read: ${state.broken.get(name)}`],
      fill: 'bad' as const,
    }));
}

function frozenBanner({ frozenAt, now, glyphs }: ShellInput): Line {
  return {
    spans: [` ${glyphs.states.paused} frozen at ${clock(frozenAt!, now)} ${glyphs.dot} p goes on`],
    fill: 'mark',
  };
}
