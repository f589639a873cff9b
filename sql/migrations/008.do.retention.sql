-- Retention is the only deleter of append-only tables. One call deletes at most `at_most` rows of each table, so that a
-- caller can go on in small transactions and be stopped between two.

create function retention_limit(key text) returns timestamptz
language sql stable
set search_path = public, pg_catalog, pg_temp
as $$ select clock_now() - (policy_value(key) #>> '{}')::interval $$;
comment on function retention_limit(text) is 'What is older goes. A missing policy gives null, and null deletes nothing.';

create function apply_retention(at_most integer default 5000) returns jsonb
language plpgsql security definer
set search_path = public, pg_catalog, pg_temp
as $$
declare deleted bigint; done jsonb := '{}'; ids bigint[];
begin
  perform set_config('openclaw.retention', 'on', true);
  select array_agg(job_id) into ids from (
    select job_id from job_history
    where (state = 'succeeded' and finished_at < retention_limit('retention.jobs_ok')) or (state <> 'succeeded' and finished_at < retention_limit('retention.jobs_failed'))
    order by finished_at limit at_most) old;
  delete from job_requests where id = any (ids);
  delete from job_progress where job_id = any (ids);
  delete from job_cancels where job_id = any (ids);
  delete from job_holds where job_id = any (ids);
  delete from job_crashes where job_id = any (ids);
  delete from checkpoints where scope in (select 'j' || id from unnest(ids) id);
  delete from job_history where job_id = any (ids);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('jobs', deleted);

  delete from ops_agent_events where id in (select id from ops_agent_events where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('events', deleted);
  delete from agent_events where id in (select id from agent_events where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('acts', deleted);
  delete from ops_outcome_rows where id in (select id from ops_outcome_rows where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('outcomes', deleted);
  delete from ops_reactions where id in (select id from ops_reactions where created_at < retention_limit('retention.events') order by id limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('reactions', deleted);
  delete from ops_health_runs where id in (select id from ops_health_runs where finished_at < retention_limit('retention.events') order by finished_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('health_runs', deleted);
  delete from ops_alerts where id in (select id from ops_alerts where created_at < retention_limit('retention.events') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('alerts', deleted);
  delete from ops_cron_runs where (schedule, planned_for) in (select schedule, planned_for from ops_cron_runs where planned_for < retention_limit('retention.events') order by planned_for limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('cron_runs', deleted);

  select array_agg(id) into ids from (select id from ops_missions where finished_at < retention_limit('retention.missions') order by finished_at limit at_most) old;
  delete from ops_mission_proposals where mission_id = any (ids);
  delete from checkpoints where scope in (select format('m%s/%s', s.mission_id, s.name) from ops_mission_steps s where s.mission_id = any (ids));
  delete from ops_signals where mission_id = any (ids);
  delete from ops_mission_steps where mission_id = any (ids);
  delete from ops_missions where id = any (ids);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('missions', deleted);
  delete from ops_mission_proposals where id in (
    select id from ops_mission_proposals where mission_id is null and state <> 'proposed' and created_at < retention_limit('retention.missions') limit at_most);
  delete from ops_approvals where id in (
    select id from ops_approvals where state <> 'open' and answered_at < retention_limit('retention.missions') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('approvals', deleted);
  delete from agent_heartbeats where id in (select id from agent_heartbeats where received_at < retention_limit('retention.heartbeats') order by received_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('beats', deleted);
  delete from agent_messages where id in (select id from agent_messages where handled_at is not null and created_at < retention_limit('retention.messages') order by created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('messages', deleted);
  delete from inbox where id in (select id from inbox where handled_at is not null and received_at < retention_limit('retention.messages') order by received_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('received', deleted);
  -- An edit goes before what it edits; buttons go with their message.
  delete from outbox where id in (
    select o.id from outbox o where o.state not in ('queued', 'sending') and o.created_at < retention_limit('retention.messages')
      and not exists (select from outbox e where e.edits = o.id) order by o.created_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('sent', deleted);
  delete from workers where state <> 'live' and ended_at < retention_limit('retention.workers');
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('workers', deleted);

  -- What was found outside and has expired (signals stay for the time of events, so that it is seen what became of them).
  delete from ops_search_cache where expires_at < clock_now();
  delete from ops_repeated_calls where last_at < clock_now() - interval '1 day';
  delete from ops_research_signals where id in (select id from ops_research_signals where expires_at < retention_limit('retention.events') order by expires_at limit at_most);
  get diagnostics deleted = row_count;
  done := done || jsonb_build_object('research_signals', deleted);
  perform set_config('openclaw.retention', 'off', true);
  return done;
end $$;
comment on function apply_retention(integer) is 'Deletes one batch of what policy retention.* says is old; returns the counts, all 0 when there is no more.';
