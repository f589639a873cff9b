import { messageOf } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import { codeExaminations } from './code.ts';
import { fileExaminations } from './files.ts';
import { serverExaminations } from './servers.ts';
import type { Ailment, Examination, Patient } from './types.ts';

export { withPatient } from './patient.ts';
export type { Ailment, Examination, Patient } from './types.ts';

export const EXAMINATIONS: readonly Examination[] = [...codeExaminations, ...fileExaminations, ...serverExaminations];

export interface Diagnosis extends Ailment {
  readonly id: string;
  readonly title: string;
  readonly fixed: boolean;
}

/** Looks at each, and with `fix` applies what can be put right without deleting anything, then looks again. */
export async function examine(patient: Patient, fix: boolean, examinations = EXAMINATIONS): Promise<Diagnosis[]> {
  const diagnoses: Diagnosis[] = [];
  for (const examination of examinations) {
    const found = await look(examination, patient);
    if (!fix || !found.fix) {
      diagnoses.push({ id: examination.id, title: examination.title, ...found, fixed: false });
      continue;
    }
    const failure = await found.fix.apply().then(
      () => undefined,
      (error: unknown) => `could not be fixed: ${messageOf(error)}`,
    );
    const after =
      failure === undefined ? await look(examination, patient) : { ...found, found: `${found.found}; ${failure}` };
    diagnoses.push({
      id: examination.id,
      title: examination.title,
      ...after,
      fix: found.fix,
      fixed: failure === undefined && after.state === 'ok',
    });
  }
  return diagnoses;
}

async function look(examination: Examination, patient: Patient): Promise<Ailment> {
  try {
    const found = await examination.look(patient);
    return { ...found, found: scrub(found.found) };
  } catch (error) {
    return { state: 'warn', found: `could not look: ${scrub(messageOf(error))}` };
  }
}
