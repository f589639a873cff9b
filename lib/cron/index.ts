export { type CrontabFault, readCrontabs, type Schedule } from './crontabs.ts';
export { nextRuns } from './nextRuns.ts';
export { previousRun } from './previousRun.ts';
