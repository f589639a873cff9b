export { CHECKS } from './checks/index.ts';
export { whyDue } from './due.ts';
export { pingEnd, pingStart } from './ping.ts';
export { type HealthOptions, type HealthReport, rememberOwners, runHealth } from './run.ts';
export type { Trigger } from './state.ts';
export { type Systemd, systemd, type UnitStatus } from './systemd.ts';
export { reportText } from './text.ts';
export type { Check, CheckState, Finding, Notice, Severity, Verdict } from './types.ts';
