import type { Patient } from '../doctor/types.ts';
import { messageOf } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import { AUDIT_CHECKS } from './checks/index.ts';
import { type AuditCheck, type AuditFinding, SEVERITIES } from './types.ts';

export { withPatient } from '../doctor/patient.ts';
export type { AuditCheck, AuditFinding, AuditSeverity } from './types.ts';

export interface AuditReport {
  /** The worst first. */
  readonly findings: readonly AuditFinding[];
  readonly checks: readonly { id: string; title: string; findings: number; note?: string }[];
}

export async function audit(patient: Patient, checks: readonly AuditCheck[] = AUDIT_CHECKS): Promise<AuditReport> {
  const outcomes = await Promise.all(
    checks.map(async (check) => {
      try {
        return { check, ...(await check.look(patient)) };
      } catch (error) {
        // Not looked at is not passed: it is named.
        return { check, findings: [], note: `could not look: ${scrub(messageOf(error))}` };
      }
    }),
  );
  const findings = outcomes.flatMap(({ check, findings: found }) =>
    found.map((one) => ({ check: check.id, ...one, found: scrub(one.found) })),
  );
  findings.sort((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity));
  return {
    findings,
    checks: outcomes.map(({ check, findings: found, note }) => ({
      id: check.id,
      title: check.title,
      findings: found.length,
      ...(note && { note }),
    })),
  };
}
