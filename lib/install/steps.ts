/** One thing that is to be so. Looking changes nothing; doing it twice is doing it once. */
export interface Step {
  readonly title: string;
  /** What is missing, a line each; empty when it is as it should be. */
  readonly missing: () => Promise<readonly string[]>;
  readonly make: () => Promise<void>;
}

export interface StepReport {
  readonly title: string;
  readonly missing: readonly string[];
  readonly done: boolean;
}

/** In order. A step is looked at when it is its turn, so that it sees what those before it made. */
export async function runSteps(
  steps: readonly Step[],
  dryRun: boolean,
  say: (line: string) => void,
): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  for (const step of steps) {
    const missing = await step.missing();
    if (missing.length === 0) say(`=  ${step.title}`);
    else for (const line of missing) say(`${dryRun ? '?' : '+'}  ${step.title}: ${line}`);
    if (missing.length > 0 && !dryRun) await step.make();
    reports.push({ title: step.title, missing, done: missing.length === 0 || !dryRun });
  }
  return reports;
}
