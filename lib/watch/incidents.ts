import type { Queryable } from '../db/index.ts';

export interface Trouble {
  readonly kind: string;
  readonly subject: string;
  readonly severity: 'warning' | 'error' | 'critical';
  readonly what: string;
  readonly why: string;
  readonly needed: string;
}

export async function openIncident(db: Queryable, trouble: Trouble): Promise<{ id: string; isNew: boolean }> {
  const { rows } = await db.query<{ id: string; is_new: boolean }>(
    'select id, is_new from open_incident($1, $2, $3, $4, $5, $6)',
    [trouble.kind, trouble.subject, trouble.severity, trouble.what, trouble.why, trouble.needed],
  );
  return { id: rows[0]!.id, isNew: rows[0]!.is_new };
}

export async function noteTried(db: Queryable, incident: string, act: string, result: string): Promise<void> {
  await db.query('select incident_tried($1, $2, $3)', [incident, act, result]);
}

export async function resolveIncident(db: Queryable, kind: string, subject: string, resolution: string): Promise<void> {
  await db.query('select resolve_incident($1, $2, $3)', [kind, subject, resolution]);
}

/** @returns false where the limit of so many acts in so long is reached. */
export async function mayAct(
  db: Queryable,
  act: string,
  subject: string,
  most: number,
  span: string,
  incident: string,
): Promise<boolean> {
  const { rows } = await db.query<{ may: boolean }>('select may_act($1, $2, $3, $4::interval, $5) as may', [
    act,
    subject,
    most,
    span,
    incident,
  ]);
  return rows[0]!.may;
}
