import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';

/** SQLSTATE classes that the same query meets again: syntax and access (42), data (22), read-only (25006). */
const PERMANENT_STATES = /^(42|22|25006)/;

export default defineTask(
  {
    title: 'Run one query as the read-only role',
    payload: z.object({
      sql: z.string().min(1).max(20_000),
      values: z.array(z.union([z.string(), z.number(), z.boolean(), z.null()])).default([]),
      max_rows: z.number().int().min(1).max(1000).default(100),
      timeout_ms: z.number().int().min(100).max(60_000).default(10_000),
    }),
    effect: 'read',
    timeout: '2 m',
    retries: 2,
    retryable: (error) => !PERMANENT_STATES.test(String((error as { code?: unknown })?.code ?? '')),
  },
  async ({ sql, values, max_rows, timeout_ms }, { queryReadOnly, signal }) => {
    signal.throwIfAborted();
    // The query becomes a sub-select, so that its rows are bounded by the server.
    const { rows, fields } = await queryReadOnly(
      `select * from (\n${sql.trim().replace(/;\s*$/, '')}\n) as q limit ${max_rows + 1}`,
      values,
      { timeoutMs: timeout_ms },
    );
    return {
      rows: rows.slice(0, max_rows),
      row_count: Math.min(rows.length, max_rows),
      truncated: rows.length > max_rows,
      fields,
    };
  },
);
