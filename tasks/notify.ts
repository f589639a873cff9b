import { z } from 'zod';
import { scrub } from '../lib/log/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Tell a person: a message to the owner, the operators or everyone who is paired',
    payload: z.object({
      text: z.string().min(1).max(20_000),
      to: z
        .string()
        .regex(
          /^(owner|operators|everyone|(telegram:)?-?\d{1,18})$/,
          'expected owner, operators, everyone or telegram:<chat id>',
        )
        .default('owner'),
      severity: z.enum(['info', 'warning', 'error', 'critical']).default('info'),
    }),
    effect: 'outside',
    // The outbox takes one message a key, and the key is the same for every attempt.
    idempotent: true,
    timeout: '30 s',
  },
  async ({ text, to, severity }, { query, job }) => {
    const { rows } = await query<{ id: string }>('select queue_message($1, $2, $3::jsonb, $4, $5) as id', [
      to,
      scrub(text),
      '{}',
      `notify/${job.idempotencyKey}`,
      severity,
    ]);
    const sent = await query<{ state: string; error: string | null }>('select state, error from outbox where id = $1', [
      rows[0]!.id,
    ]);
    return { message: rows[0]!.id, to, state: sent.rows[0]?.state ?? 'queued', reason: sent.rows[0]?.error ?? null };
  },
);
