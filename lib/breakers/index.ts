export { type BreakerOptions, withBreaker } from './withBreaker.ts';
