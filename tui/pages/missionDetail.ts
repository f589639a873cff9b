import { listOf, type Section } from '../feed/sections.ts';

export interface Step {
  id: number;
  name: string;
  task: string;
  state: string;
  attempt: number;
  max_attempts: number;
  needs: string[];
  effect: string;
  error: string | null;
  error_class: string | null;
  payload: string;
  output: string | null;
  wake_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  cost_usd: number | null;
  model: string | null;
}
export interface Detail {
  id: number;
  kind: string;
  title: string;
  state: string;
  wait_reason: string | null;
  wake_at: string | null;
  paused: boolean;
  error: string | null;
  error_class: string | null;
  actor: string;
  source: string;
  agent: string | null;
  cost_usd: number;
  trace_id: string;
  epoch: number;
  input: string;
  output: string | null;
  untrusted: boolean;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  steps: Step[];
  events: { id: number; kind: string; severity: string; payload: string; created_at: string }[];
}

export const DETAIL: Section = {
  name: 'mission',
  sql: listOf(`select m.id, m.kind, m.title, m.state, m.wait_reason, m.wake_at, m.paused, left(m.error, 2000) as error, m.error_class, m.actor, m.source, m.agent, m.cost_usd, m.trace_id,
      m.epoch, left(m.input::text, 2000) as input, left(m.output::text, 4000) as output, m.untrusted, m.created_at, m.started_at, m.finished_at,
      ${listOf(`select s.id, s.name, s.task, s.state, s.attempt, s.max_attempts, s.needs, s.effect, left(s.error, 2000) as error, s.error_class, left(s.payload::text, 2000) as payload,
          left(s.output::text, 4000) as output, s.wake_at, s.started_at, s.finished_at, o.cost_usd, o.model
        from (select * from ops_mission_steps where mission_id = m.id order by position limit 200) s left join ops_outcome_rows o on o.step_id = s.id order by s.position`)} as steps,
      ${listOf('select id, kind, severity, left(payload::text, 300) as payload, created_at from ops_agent_events where mission_id = m.id order by id desc limit 30')} as events
    from ops_missions m where m.id = any ($1)`),
};
