import { z } from 'zod';
import { pingEnd, pingStart, runHealth } from '../lib/health/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

/** What is not settled by the looks of one run is looked at again sooner than the next half hour. */
const FOLLOW_UP_MS = 5 * 60_000;

export default defineTask(
  {
    title: 'Look at services, disk, memory, queue and schedules; alert what fails, tell what has recovered',
    payload: z.object({}).loose(),
    pool: 'upkeep',
    effect: 'write',
    timeout: '2 m',
    retries: 1,
  },
  async (_payload, { config, log, addJob, query, job }) => {
    const url = config.services.healthcheck.pingUrl;
    const faults = url ? [await pingStart(url)] : [];
    const report = await runHealth({ config, log, trigger: 'cron', ...(job.traceId && { trace: job.traceId }) });
    if (url) faults.push(await pingEnd(url, report));
    for (const fault of faults) if (fault) log.warn(fault);
    const unsettled = report.checks.some(({ state }) => state === 'pending' || state === 'recovering');
    if (unsettled) {
      const { rows } = await query<{ at: Date }>("select clock_now() + $1 * interval '1 millisecond' as at", [
        FOLLOW_UP_MS,
      ]);
      await addJob('health_check', {}, { runAt: rows[0]!.at, jobKey: 'health_check:follow_up', jobKeyMode: 'replace' });
    }
    const of = (verdict: string) => report.checks.filter((check) => check.verdict === verdict).map(({ id }) => id);
    return {
      exit_code: report.exitCode,
      fail: of('fail'),
      warn: of('warn'),
      unknown: of('unknown'),
      skipped: of('skipped'),
      notices: report.notices.map(({ title }) => title),
    };
  },
);
