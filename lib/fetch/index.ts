export { isInside } from './addresses.ts';
export { isPermanentFetchError } from './errors.ts';
export { type Fetched, type FetchOptions, guardedFetch } from './guardedFetch.ts';
