import { EXIT, OpenClawError } from '../errors/index.ts';
import { spanText, textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** How the trace of a thing is found. */
const TRACE_OF: Record<string, string> = {
  j: 'select trace_id from job_requests where id = $1',
  m: 'select trace_id from ops_missions where id = $1',
  p: 'select trace_id from ops_mission_proposals where id = $1',
  a: 'select trace_id from ops_approvals where id = $1',
  e: 'select trace_id from ops_agent_events where id = $1',
};

/** Every hop of one trace, from whatever table knows it. $1: the trace. */
const HOPS = `
with missions as (select * from ops_missions where trace_id = $1),
     jobs as (select r.*, h.started_at, h.finished_at, h.state, h.error_class, h.worker from job_requests r left join job_history h on h.job_id = r.id where r.trace_id = $1)
select at, what, id, detail from (
  select created_at as at, 'job asked' as what, 'j' || id as id, concat_ws(' ', task, 'by', actor) as detail from jobs
  union all select started_at, 'job started', 'j' || id, concat_ws(' ', task, 'on', worker) from jobs where started_at is not null
  union all select finished_at, 'job ' || state, 'j' || id, concat_ws(' ', task, error_class) from jobs where finished_at is not null
  union all select locked_at, 'job running', 'j' || j.id, jobs.task from graphile_worker._private_jobs j join jobs on jobs.id = j.id where j.locked_at is not null
  union all select created_at, 'proposed', 'p' || id, concat_ws(' ', kind, 'by', actor) from ops_mission_proposals where trace_id = $1
  union all select decided_at, 'proposal ' || state, 'p' || id, concat_ws(' ', reason_code, 'by', decided_by, 'm' || mission_id) from ops_mission_proposals where trace_id = $1 and decided_at is not null
  union all select s.started_at, 'step started', 'm' || s.mission_id, concat_ws(' ', s.name, '(' || s.task || ')') from ops_mission_steps s join missions m on m.id = s.mission_id where s.started_at is not null
  union all select created_at, kind, case when mission_id is not null then 'm' || mission_id when job is not null then 'j' || job else 'e' || id end,
              concat_ws(' ', payload ->> 'step', payload ->> 'task', payload ->> 'reason', payload ->> 'signal', payload ->> 'answer', payload ->> 'error_class') from ops_agent_events where trace_id = $1
  union all select created_at, 'outcome ' || state, coalesce('m' || mission_id, 'j' || job), concat_ws(' ', task, 'attempt', attempt, round(duration_ms::numeric) || ' ms') from ops_outcome_rows where trace_id = $1
  union all select created_at, 'asked a person', 'a' || id, question from ops_approvals where trace_id = $1
  union all select answered_at, 'answer ' || coalesce(answer, state), 'a' || id, concat_ws(' ', 'by', answered_by, reason) from ops_approvals where trace_id = $1 and answered_at is not null
  union all select created_at, case kind when 'act' then 'act ' || verb else kind end, coalesce(target, '-'), concat_ws(' ', 'by', actor, after::text) from agent_events where trace_id = $1
) hops where at is not null order by at, what limit 5000`;

export const traceActions: readonly Action[] = [
  {
    name: 'trace',
    title: 'Every hop of one request, with the time between them',
    args: [{ name: 'id', description: 'a trace, or whatever has one: j12, m3, p4, a5, e6' }],
    who: 'viewer',
    danger: 'none',
    example: 'openclaw trace m3',
    run: async ({ db }, { args }) => {
      const given = args[0] ?? '';
      let trace: string | null | undefined = UUID.test(given) ? given.toLowerCase() : undefined;
      const [, letter = '', id] = /^([jmpae])(\d{1,18})$/.exec(given) ?? [];
      if (!trace && !TRACE_OF[letter]) {
        throw new OpenClawError('E_ID', `"${given}" is neither a trace nor an id`, {
          expected: 'a uuid, or j12, m3, p4, a5, e6',
          exitCode: EXIT.usage,
        });
      }
      if (!trace) trace = (await db.query<{ trace_id: string | null }>(TRACE_OF[letter]!, [id])).rows[0]?.trace_id;
      const { rows } = trace
        ? await db.query<{ at: Date; what: string; id: string; detail: string }>(HOPS, [trace])
        : { rows: [] };
      if (!trace || rows.length === 0)
        throw new OpenClawError('E_NOT_FOUND', `nothing is known of ${given}`, {
          remedy: 'openclaw jobs list, openclaw missions list',
        });
      const start = rows[0]!.at.getTime();
      const hops = rows.map((row, n) => ({
        ...row,
        after_ms: row.at.getTime() - (rows[n - 1]?.at.getTime() ?? start),
        total_ms: row.at.getTime() - start,
      }));
      const lines = hops.map((hop) => [
        timeText(hop.at),
        `+${spanText(hop.after_ms)}`,
        spanText(hop.total_ms),
        hop.what,
        hop.id,
        hop.detail,
      ]);
      return {
        json: { trace, hops },
        text: `trace ${trace}, ${hops.length} hops in ${spanText(hops.at(-1)!.total_ms)}\n${textTable(['at', 'after', 'total', 'what', 'of', ''], lines)}`,
      };
    },
  },
];
