export { type AgentWatch, watchAgents } from './agents.ts';
export { hostWatch } from './host.ts';
export { hysteresis, type Threshold } from './hysteresis.ts';
export { watchOpportunities } from './opportunities.ts';
export { type Probe, serviceWatch, watchProviders, watchQueue } from './services.ts';
export { type UptimeReport, uptimeReport, uptimeText } from './uptimeReport.ts';
