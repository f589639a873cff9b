// The statements that run in place of graphile-worker's own. What they do, and why they are functions, is said beside them in
// sql/migrations/003.do.queue.sql and 067.do.schedules.sql.

/** ids, results (JSON text), start and end (epoch ms), pool -> the number that were ours. One history row each. */
export const COMPLETE = 'select end_succeeded_jobs($1::bigint[], $2::text[], $3::float8[], $4::float8[], $5) as ended';

/**
 * A JSON array of {id, kind: retry | final | give_back, message, delay_ms, error_class, state, started, finished}, pool ->
 * the number that were ours.
 */
export const FAIL = 'select end_failed_jobs($1::json, $2) as ended';

/** A JSON array of {identifier, job}, the minute -> how many were queued. */
export const PLAN = 'select plan_runs($1::jsonb, $2::timestamptz) as planned';
