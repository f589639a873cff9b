import type { AuditFinding, AuditSeverity } from './types.ts';

export const finding = (severity: AuditSeverity, found: string, remedy: string): Omit<AuditFinding, 'check'> => ({
  severity,
  found,
  remedy,
});
