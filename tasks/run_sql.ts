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
    const { rows } = await queryReadOnly(bounded(sql, max_rows), values, { timeoutMs: timeout_ms });
    const kept = rows.filter((row) => row.row !== null).slice(0, max_rows);
    const result = kept.map((row) => row.row as Record<string, unknown>);
    return {
      rows: result,
      row_count: result.length,
      truncated: rows.length > result.length || Number(rows[0]?.found ?? 0) > result.length,
      fields: Object.keys(result[0] ?? {}),
    };
  },
);

const RESULT_LIMIT_BYTES = 200_000;

/** The query as a sub-select, its rows as JSON: rows and bytes are bounded by the server, before they fill this process. */
function bounded(sql: string, maxRows: number): string {
  return `select case when bytes <= ${RESULT_LIMIT_BYTES} then row end as row, found from (
    select row, sum(octet_length(row::text)) over (order by n) as bytes, count(*) over () as found, n from (
      select row_to_json(q) as row, row_number() over () as n from (
${sql.trim().replace(/;\s*$/, '')}
      ) as q limit ${maxRows + 1}) as numbered) as measured
    where bytes <= ${RESULT_LIMIT_BYTES} or n = 1 order by n`;
}
