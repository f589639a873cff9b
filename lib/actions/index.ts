import { agentActions } from './agents.ts';
import { alertActions } from './alerts.ts';
import { approvalActions } from './approvals.ts';
import { backupActions } from './backup.ts';
import { breakerActions } from './breakers.ts';
import { catalogueActions } from './catalogue.ts';
import { controlActions } from './controls.ts';
import { credentialActions } from './credentials.ts';
import { deviceActions } from './devices.ts';
import { doctorActions } from './doctor.ts';
import { driveActions } from './drive.ts';
import { healthActions } from './health.ts';
import { initActions } from './init.ts';
import { installActions } from './install.ts';
import { jobActions } from './jobs.ts';
import { learningActions } from './learning.ts';
import { logActions } from './logs.ts';
import { memoryActions } from './memory.ts';
import { missionActions } from './missions.ts';
import { pairingActions } from './pairing.ts';
import { plannerActions } from './planner.ts';
import { policyActions } from './policy.ts';
import { proposalActions } from './proposals.ts';
import { providerActions } from './providers.ts';
import { researchActions } from './research.ts';
import { ruleActions } from './rules.ts';
import { scheduleActions } from './schedules.ts';
import { spendingActions } from './spending.ts';
import { traceActions } from './trace.ts';
import type { Action } from './types.ts';
import { whyActions } from './why.ts';

/** The one table of actions. */
export const ACTIONS: readonly Action[] = [
  ...jobActions,
  ...missionActions,
  ...proposalActions,
  ...approvalActions,
  ...controlActions,
  ...policyActions,
  ...breakerActions,
  ...spendingActions,
  ...scheduleActions,
  ...deviceActions,
  ...ruleActions,
  ...learningActions,
  ...memoryActions,
  ...healthActions,
  ...alertActions,
  ...backupActions,
  ...plannerActions,
  ...providerActions,
  ...researchActions,
  ...driveActions,
  ...credentialActions,
  ...logActions,
  ...whyActions,
  ...traceActions,
  ...doctorActions,
  ...initActions,
  ...installActions,
  ...catalogueActions,
  ...agentActions,
  ...pairingActions,
];

export type { Action, ActionContext, ActionInput, ActionResult, Argument, Option } from './types.ts';
