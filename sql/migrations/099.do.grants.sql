-- Who may do what. openclaw_owner (no login) owns; openclaw_worker is a member of it; binaryrogue asks for work and reads
-- its views; openclaw_tui reads. Where roles cannot be made (a managed server), everything runs as the one configured
-- user, and this file only takes rights away from PUBLIC.

do $$
declare name text;
begin
  -- Only ours: an extension's functions in this schema belong to somebody else.
  for name in select p.oid::regprocedure::text from pg_proc p
              where p.pronamespace = 'public'::regnamespace and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') loop
    execute format('revoke all on function %s from public', name);
  end loop;
end $$;
grant execute on function clock_now(), readable_json(json), job_duration(job_history), job_fingerprint(job_history), json_to_jsonb_lossy(json), trusted_session(), current_actor(), current_source(), current_trace(), duration_ms(jsonb),
  raise_task_queue_readonly(), refuse(text, text, text, text) to public;
-- clock_now() runs with its caller's rights.
grant select on clock_override to public;

do $$
begin
  if exists (select from pg_roles where rolname = 'binaryrogue') then
    grant usage on schema public to binaryrogue;
    grant select, insert on task_queue to binaryrogue;
    grant select on ops_tasks, ops_missions, ops_mission_steps, ops_mission_proposals, ops_agent_events, ops_outcomes, ops_policy, ops_policy_keys, ops_breakers, ops_reaction_rules to binaryrogue;
    grant select on ops_health, ops_health_runs, ops_alerts, ops_alert_mutes to binaryrogue;
    execute format('grant usage on sequence %s to binaryrogue', pg_get_serial_sequence('graphile_worker._private_jobs', 'id'));
    grant usage on schema graphile_worker to binaryrogue;
    grant execute on function
      add_job(text, jsonb, text, timestamptz, integer, text, integer, text[], text, text), add_jobs(jsonb), add_mission(jsonb, jsonb, text, integer, text, boolean),
      cancel_job(bigint), retry_job(bigint), cancel_mission(bigint, boolean), plan_faults(jsonb), policy_value(text) to binaryrogue;
    grant select on ops_approvals, ops_signals to binaryrogue;
    grant select on ops_controls, ops_schedules, ops_cron_runs to binaryrogue;
    grant execute on function pause(text, text, boolean, text), resume(text, text), is_paused(text, text, bigint), paused_by(text, text, bigint) to binaryrogue;
    grant execute on function signal(bigint, text, jsonb, text), retry_mission(bigint, text), change_matching(text, jsonb, boolean, integer), add_mission(text, jsonb, text, integer, text, boolean), answer_approval(bigint, text, text, jsonb), approve(bigint, text, text), reject(bigint, text), approval_text(bigint) to binaryrogue;
    grant select on agent_status to binaryrogue;
    grant execute on function send_to_agent(text, text, jsonb, text, text, boolean), agent_alive_limit() to binaryrogue;
    grant execute on function propose_mission(jsonb, jsonb, text, integer, text, boolean, text, numeric), sound_policy(text), utc_day() to binaryrogue;
    grant select on ops_quota_use to binaryrogue;
  end if;
  if exists (select from pg_roles where rolname = 'openclaw_tui') then
    grant usage on schema public to openclaw_tui;
    grant usage on schema graphile_worker to openclaw_tui;
    grant select on all tables in schema public to openclaw_tui;
    -- What waits and runs, as the screen shows it. graphile-worker's tables have row security without a policy: no row for anybody else.
    grant select on graphile_worker._private_jobs, graphile_worker._private_tasks, graphile_worker._private_known_crontabs to openclaw_tui;
    create policy openclaw_tui_reads on graphile_worker._private_jobs for select to openclaw_tui using (true);
    create policy openclaw_tui_reads on graphile_worker._private_tasks for select to openclaw_tui using (true);
    create policy openclaw_tui_reads on graphile_worker._private_known_crontabs for select to openclaw_tui using (true);
    grant execute on function policy_value(text), plan_faults(jsonb), slowest_statements(integer) to openclaw_tui;
    grant execute on function approval_text(bigint) to openclaw_tui;
    grant execute on function is_paused(text, text, bigint), paused_by(text, text, bigint) to openclaw_tui;
    grant execute on function sound_policy(text), policy_fault(text, jsonb), json_schema_fault(jsonb, jsonb, text), utc_day(), budget_limit(text, text) to openclaw_tui;
    grant execute on function agent_alive_limit() to openclaw_tui;
    grant execute on function is_schedule_paused(text) to openclaw_tui;
    grant execute on function wilson_low(double precision, double precision, double precision), wilson_high(double precision, double precision, double precision),
      duration_percentile(text, text, text, double precision, date) to openclaw_tui;
    grant execute on function untrusted_risk(jsonb, boolean), sound_policy(text), policy_fault(text, jsonb), json_schema_fault(jsonb, jsonb, text), utc_day(), budget_limit(text, text) to openclaw_tui;
  end if;
  if exists (select from pg_roles where rolname = 'openclaw_backup') then
    grant usage on schema public to openclaw_backup;
  end if;
end $$;
