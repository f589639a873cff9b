import type { Patient } from '../doctor/types.ts';

export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type AuditSeverity = (typeof SEVERITIES)[number];

export interface AuditFinding {
  /** Which check found it. */
  readonly check: string;
  readonly severity: AuditSeverity;
  readonly found: string;
  readonly remedy: string;
}

/** What a check says of what is well, or why it could not look; and what is not well. */
export interface AuditOutcome {
  readonly findings: readonly Omit<AuditFinding, 'check'>[];
  readonly note?: string;
}

export interface AuditCheck {
  readonly id: string;
  readonly title: string;
  readonly look: (patient: Patient) => Promise<AuditOutcome>;
}
