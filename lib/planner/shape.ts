import { z } from 'zod';

const name = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'expected a name like fetch_page (a-z, 0-9, _)');

/** What a model may answer to a goal: a plan, or why there is none. Whether the plan is sound is the database's to say. */
export const PROPOSED = z.object({
  /** Empty where there is a plan. */
  cannot: z.string().max(1000).default(''),
  plan: z
    .object({
      kind: name,
      title: z.string().min(1).max(200),
      description: z.string().max(1000).optional(),
      steps: z
        .array(
          z.object({
            name,
            task: z.string().min(1).max(128),
            payload: z.record(z.string(), z.unknown()).default({}),
            needs: z.array(z.string()).default([]),
          }),
        )
        .min(1)
        .max(20),
    })
    .nullable()
    .default(null),
});
export type ProposedPlan = NonNullable<z.output<typeof PROPOSED>['plan']>;
