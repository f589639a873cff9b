export { type CommitOptions, type Committed, commitWorkspace } from './commit.ts';
export { type Finding, scanFiles } from './scan.ts';
