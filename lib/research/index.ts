export { canonicalAddress } from './canonical.ts';
export { frameOutside, type Outside } from './data.ts';
export { SIGNAL_TYPES } from './extract.ts';
export { type ResearchDeps, type ResearchRequest, type ResearchResult, research } from './research.ts';
