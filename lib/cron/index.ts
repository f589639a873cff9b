export { type CrontabFault, type MissedRule, readCrontabs, type Schedule } from './crontabs.ts';
export { nextRuns } from './nextRuns.ts';
export { type Planner, startPlanner } from './planner.ts';
export { previousRun } from './previousRun.ts';
