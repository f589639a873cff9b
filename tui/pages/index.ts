import type { State } from '../feed/state.ts';
import { acts } from './acts.ts';
import { agents } from './agents.ts';
import { alerts } from './alerts.ts';
import { backups } from './backups.ts';
import { breakers } from './breakers.ts';
import { canvas } from './canvas.ts';
import { devices } from './devices.ts';
import { events } from './events.ts';
import { health } from './health.ts';
import { job } from './job.ts';
import { learning } from './learning.ts';
import { memory } from './memory.ts';
import { mission } from './mission.ts';
import { missions } from './missions.ts';
import { overview } from './overview.ts';
import { policy } from './policy.ts';
import { questions } from './questions.ts';
import { queue } from './queue.ts';
import { reactions } from './reactions.ts';
import { research } from './research.ts';
import { rules } from './rules.ts';
import { schedule } from './schedule.ts';
import { spend } from './spend.ts';
import type { Page } from './types.ts';
import { workers } from './workers.ts';

/** All pages, in the order of the tabs. A new page is its file and its line here. */
export const PAGES: readonly Page[] = [
  overview,
  missions,
  mission,
  queue,
  job,
  workers,
  schedule,
  events,
  questions,
  policy,
  rules,
  reactions,
  learning,
  agents,
  health,
  alerts,
  backups,
  breakers,
  spend,
  research,
  memory,
  canvas,
  devices,
  acts,
];

export const pageNamed = (name: string): Page | undefined => PAGES.find((page) => page.name === name);

/** Whether the tables of its first section are there; a part that is not installed has no tab. */
export const isThere = (page: Page, state: State): boolean =>
  page.sections[0] === undefined || !state.absent.has(page.sections[0].name);
