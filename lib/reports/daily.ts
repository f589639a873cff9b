import type { Queryable } from '../db/index.ts';
import type { Section } from '../workspace/markdown.ts';

/** The last 24 hours, as rows say them: what ran, what failed, what it cost, what was learned, what waits for a person. */
export interface DailyReport {
  ran: { kind: string; missions: number; succeeded: number; failed: number; open: number }[];
  failed: { mission: string; kind: string; error: string | null }[];
  jobs: { succeeded: number; failed: number; cancelled: number };
  cost: { provider: string; calls: number; usd: number }[];
  started_by_rules: { rule: string; fired: number; held_back: number }[];
  learned: { what: string; sure: string }[];
  proposed: { change: string; of: string; state: string }[];
  waiting: { approval: string; question: string; asked: string }[];
}

export async function dailyReport(db: Queryable): Promise<DailyReport> {
  const { rows } = await db.query<{ report: DailyReport }>(
    `with since as (select clock_now() - interval '24 hours' as at)
     select jsonb_build_object(
       'ran', (select coalesce(jsonb_agg(to_jsonb(r) order by r.missions desc, r.kind), '[]') from (
         select kind, count(*) as missions, count(*) filter (where state = 'succeeded') as succeeded, count(*) filter (where state = 'failed') as failed,
                count(*) filter (where finished_at is null) as open
         from ops_missions, since where created_at > since.at group by kind order by 2 desc limit 30) r),
       'failed', (select coalesce(jsonb_agg(jsonb_build_object('mission', 'm' || f.id, 'kind', f.kind, 'error', left(f.error, 200)) order by f.id desc), '[]') from (
         select id, kind, error from ops_missions, since where state = 'failed' and finished_at > since.at order by id desc limit 10) f),
       'jobs', (select jsonb_build_object('succeeded', count(*) filter (where state = 'succeeded'), 'failed', count(*) filter (where state = 'failed'), 'cancelled', count(*) filter (where state = 'cancelled'))
         from job_history, since where finished_at > since.at),
       'cost', (select coalesce(jsonb_agg(jsonb_build_object('provider', c.provider, 'calls', c.calls, 'usd', c.usd) order by c.usd desc), '[]') from (
         select coalesce(provider, 'none') as provider, count(*) as calls, round(sum(cost_usd), 4) as usd from ops_outcome_rows, since where created_at > since.at and cost_usd > 0 group by 1 limit 20) c),
       'started_by_rules', (select coalesce(jsonb_agg(to_jsonb(x) order by x.fired desc, x.rule), '[]') from (
         select r.name as rule, count(*) filter (where d.state = 'fired') as fired, count(*) filter (where d.state <> 'fired') as held_back
         from ops_reactions d join ops_reaction_rules r on r.id = d.rule_id, since where d.created_at > since.at group by r.name limit 30) x),
       'learned', (select coalesce(jsonb_agg(jsonb_build_object('what', left(m.text, 200), 'sure', round(m.confidence * 100) || ' %')), '[]') from (
         select text, confidence from ops_memory, since where created_at > since.at and superseded_by is null order by confidence desc limit 10) m),
       'proposed', (select coalesce(jsonb_agg(jsonb_build_object('change', l.kind, 'of', l.task, 'state', l.state)), '[]') from (
         select kind, task, state from ops_learned_changes, since where greatest(created_at, applied_at, settled_at) > since.at order by id desc limit 10) l),
       'waiting', (select coalesce(jsonb_agg(jsonb_build_object('approval', 'a' || a.id, 'question', left(a.question, 200), 'asked', to_char(a.created_at at time zone 'utc', 'YYYY-MM-DD HH24:MI'))), '[]') from (
         select id, question, created_at from ops_approvals where state = 'open' order by id limit 20) a)) as report`,
  );
  return rows[0]!.report;
}

/** Its text for a phone: the state first, then what waits. */
export function dailyText(report: DailyReport): string {
  const missions = report.ran.reduce((sum, row) => sum + row.missions, 0);
  const failed = report.ran.reduce((sum, row) => sum + row.failed, 0);
  const usd = report.cost.reduce((sum, row) => sum + row.usd, 0);
  return [
    `Last 24 hours: ${missions} missions, ${failed} failed; ${report.jobs.succeeded} jobs, ${report.jobs.failed} failed; $${usd.toFixed(2)}.`,
    ...report.failed.slice(0, 3).map((row) => `failed: ${row.mission} (${row.kind}) ${row.error ?? ''}`.trim()),
    ...(report.learned.length > 0 ? [`learned: ${report.learned[0]!.what}`] : []),
    report.waiting.length === 0
      ? 'Nothing waits for you.'
      : `${report.waiting.length} wait for you: ${report.waiting.map((row) => row.approval).join(', ')}`,
  ].join('\n');
}

export function dailySections(report: DailyReport): Section[] {
  const some = <T>(rows: readonly T[], none: string) => (rows.length > 0 ? rows : none);
  return [
    { title: 'What ran', value: some(report.ran, 'no missions') },
    { title: 'Jobs', value: report.jobs },
    { title: 'What failed', value: some(report.failed, 'nothing') },
    { title: 'What it cost', value: some(report.cost, 'nothing') },
    { title: 'What started by itself', value: some(report.started_by_rules, 'nothing') },
    { title: 'What was learned', value: some(report.learned, 'nothing new') },
    { title: 'What the learner proposes', value: some(report.proposed, 'nothing') },
    { title: 'What waits for you', value: some(report.waiting, 'nothing') },
  ];
}
