import { setTimeout as sleep } from 'node:timers/promises';
import type { Trigger } from '../health/state.ts';
import { durationMs } from '../tasks/duration.ts';
import { parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

export const healthActions: readonly Action[] = [
  {
    name: 'health',
    title: 'Look at everything now: exit 0 all well, 1 something fails, 3 warnings or unknown',
    options: [
      { flags: '--watch [seconds]', description: 'look again and again, until interrupted' },
      { flags: '--if-older <age>', description: 'only when the last run is older than that, as the timer does it' },
    ],
    who: 'viewer',
    danger: 'none',
    withoutDatabase: true,
    example: 'openclaw health --json',
    run: async (context, { options }) => {
      const { whyDue, reportText } = await import('../health/index.ts');
      if (options.ifOlder !== undefined) {
        const due = await whyDue(context.config, context.log, durationMs(String(options.ifOlder)));
        if (due === undefined) return { json: { due: null }, text: 'the last run is recent; nothing to do' };
        context.say(`running: ${due}`);
      }
      if (options.watch !== undefined && options.watch !== false) {
        const seconds = options.watch === true ? 30 : parseNumber(options.watch, '--watch', 1, 3600);
        return watch(context, seconds * 1000);
      }
      const report = await runOnce(context, options.ifOlder === undefined ? triggerOf(context) : 'timer');
      return { json: report, text: reportText(report), exitCode: report.exitCode };
    },
  },
  {
    name: 'health-runs',
    title: 'The last health runs and what failed in them',
    options: [{ flags: '--limit <n>', description: 'how many', default: '20' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<{
        id: string;
        trigger: string;
        finished_at: Date;
        exit_code: number;
        bad: string | null;
      }>(
        `select id, trigger, finished_at, exit_code,
                (select string_agg(f ->> 'id' || ' ' || (f ->> 'verdict'), ', ') from jsonb_array_elements(findings) f where f ->> 'verdict' in ('fail', 'warn', 'unknown')) as bad
         from ops_health_runs order by id desc limit $1`,
        [parseNumber(options.limit, '--limit', 1, 1000)],
      );
      return {
        json: rows,
        text: textTable(
          ['at', 'by', 'exit', 'not well'],
          rows.map((run) => [timeText(run.finished_at), run.trigger, run.exit_code, run.bad ?? '']),
          'no runs yet',
        ),
      };
    },
  },
];

async function runOnce({ config, log }: ActionContext, trigger: Trigger) {
  const { pingEnd, pingStart, runHealth } = await import('../health/index.ts');
  // Only the scheduled runs speak to the outside watch: a person who looks must not hide that those have stopped.
  const url = trigger === 'timer' ? config.services.healthcheck.pingUrl : undefined;
  const faults = url ? [await pingStart(url)] : [];
  const report = await runHealth({ config, log, trigger });
  if (url) faults.push(await pingEnd(url, report));
  return { ...report, faults: [...report.faults, ...faults.filter((fault) => fault !== undefined)] };
}

async function watch(context: ActionContext, everyMs: number) {
  const { reportText } = await import('../health/index.ts');
  const say = context.print ?? context.say;
  for (;;) {
    const report = await runOnce(context, triggerOf(context));
    say(reportText(report));
    await sleep(everyMs, undefined, { signal: context.signal }).catch(() => undefined);
    if (context.signal.aborted) return { json: report, text: '', exitCode: report.exitCode };
    say('');
  }
}

function triggerOf(context: ActionContext): Trigger {
  return context.ask === undefined ? 'telegram' : 'cli';
}
