import type { OpenClawError } from '../../errors/index.ts';
import { PermanentError } from '../../tasks/define.ts';

/** A step that has failed for good: a function may catch it and go another way. */
export class StepFailedError extends PermanentError {
  readonly step: string;
  readonly errorClass: string | null;
  constructor(step: string, errorClass: string | null, error: string | null) {
    super('E_STEP_FAILED', `step "${step}" failed: ${error ?? errorClass ?? 'no reason is recorded'}`);
    this.name = 'StepFailedError';
    this.step = step;
    this.errorClass = errorClass;
  }
}

export function usedTwice(name: string): OpenClawError {
  return new PermanentError('E_STEP_TWICE', `the step name "${name}" is used twice in one mission`, {
    remedy: 'give each step a name of its own; in a loop, add the index',
  });
}

/** A version of the function that does not go on where an earlier one stopped. */
export function functionChanged(name: string, was: string, now: string): OpenClawError {
  return new PermanentError(
    'E_FUNCTION_CHANGED',
    `step "${name}" was recorded as ${was}, and the function now asks for ${now}: it has changed, or its names do not follow its inputs`,
    { remedy: 'give what is new a new name, put the earlier version back, or submit the mission again' },
  );
}

export function badName(name: unknown): OpenClawError {
  return new PermanentError('E_STEP_NAME', `${JSON.stringify(name) ?? String(name)} is no name of a step`, {
    expected: '1 to 200 letters, digits, spaces and ._:/@#- , the first a letter or digit',
  });
}
