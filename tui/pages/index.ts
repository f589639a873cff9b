import { events } from './events.ts';
import { mission } from './mission.ts';
import { missions } from './missions.ts';
import { overview } from './overview.ts';
import type { Page } from './types.ts';

/** All pages, in the order of the tabs. A new page is its file and its line here. */
export const PAGES: readonly Page[] = [overview, missions, mission, events];

export const pageNamed = (name: string): Page | undefined => PAGES.find((page) => page.name === name);
