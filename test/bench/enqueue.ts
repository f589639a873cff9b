import type { Side } from './databases.ts';

const AT_ONCE = 1000;

/** The statement by which each side queues a JSON array of jobs; the peer's is the one of its own `addJobs`. */
export const ADD_JOBS = {
  raw: 'select count(*) from graphile_worker.add_jobs(array(select json_populate_recordset(null::graphile_worker.job_spec, $1::json)))',
  ours: 'select count(*) from add_jobs($1::jsonb)',
} as const;

export function jobsJson(count: number, from = 0): string {
  return JSON.stringify(Array.from({ length: count }, (_, at) => ({ identifier: 'noop', payload: { n: from + at } })));
}

export async function enqueue(side: Side, count: number): Promise<void> {
  for (let done = 0; done < count; done += AT_ONCE) {
    await side.pool.query(ADD_JOBS[side.name], [jobsJson(Math.min(AT_ONCE, count - done), done)]);
  }
}

export async function liveJobs(side: Side): Promise<number> {
  const { rows } = await side.pool.query<{ live: number }>(
    'select count(*)::integer as live from graphile_worker._private_jobs',
  );
  return rows[0]!.live;
}
