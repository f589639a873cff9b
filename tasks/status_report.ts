import { z } from 'zod';
import { scrub } from '../lib/log/index.ts';
import { dailyReport, dailySections, dailyText } from '../lib/reports/daily.ts';
import { defineTask } from '../lib/tasks/index.ts';
import { toMarkdown, writeNote } from '../lib/workspace/index.ts';

export default defineTask(
  {
    title: "MilkBot's report of the day: what ran, failed, cost, was learned, and waits for the operator",
    payload: z.object({
      /** Whom to tell beside the note: owner, operators, everyone, or nobody. */
      tell: z.enum(['owner', 'operators', 'everyone', 'nobody']).default('owner'),
    }),
    pool: 'learning',
    effect: 'write',
    timeout: '2 m',
  },
  async ({ tell }, { query, config, job }) => {
    const report = await dailyReport({ query });
    const { rows } = await query<{ day: string }>(
      "select to_char(clock_now() at time zone 'utc', 'YYYY-MM-DD') as day",
    );
    const day = rows[0]!.day;
    const text = scrub(dailyText(report));
    const note = await writeNote({
      root: config.layout.workspace,
      path: `reports/status-${day}.md`,
      content: scrub(toMarkdown(dailySections(report), { title: `Status of ${day}` })),
      mode: 'replace',
    });
    if (tell !== 'nobody')
      await query("select queue_message($1, $2, '{}', $3)", [tell, text, `status_report:${job.idempotencyKey}`]);
    return { note: note.path, text };
  },
);
