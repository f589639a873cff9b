export { describeConfig, type KeyDescription } from './describe.ts';
export { envExample } from './example.ts';
export { CODE_ROOT, type Layout, layoutOf, resolveHome } from './layout.ts';
export { type Config, loadConfig } from './load.ts';
export type { Secret } from './secretsIn.ts';
export type { Services } from './services.ts';
export type { Environment } from './sources.ts';
