export { pairOwner } from './pairOwner.ts';
export { recoveryKit } from './recoveryKit.ts';
export { configAfter, runInit } from './run.ts';
