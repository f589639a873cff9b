export { HeldError, type HoldReason } from './held.ts';
export { POLICY_KEYS, type PolicyName, type PolicyValue, policyKey, schemaOf } from './keys.ts';
export { createPolicyReader, type PolicyReader, readPolicy } from './read.ts';
export { releaseSpend, reserveSpend, type Settlement, type SpendRequest, settleSpend, withSpend } from './spend.ts';
