export { plain } from './found.ts';
export { type SearchDeps, search } from './search.ts';
export {
  type Found,
  FRESHNESS,
  type Freshness,
  type SearchAnswer,
  type SearchRequest,
  VENUES,
  type Venue,
} from './types.ts';
