import { z } from 'zod';
import { defineTask } from '../lib/tasks/index.ts';
import { uptimeReport, uptimeText } from '../lib/watch/index.ts';
import { writeNote } from '../lib/workspace/index.ts';

export default defineTask(
  {
    title: 'Who was up how long on a UTC day (yesterday), with the incidents: a note, and an event',
    payload: z.object({ day: z.iso.date().optional() }),
    pool: 'upkeep',
    effect: 'write',
    timeout: '1 m',
  },
  async ({ day }, { query, config, log }) => {
    const report = await uptimeReport({ query }, day);
    await query(
      `insert into ops_agent_events (kind, agent, payload, tags) values ('health.uptime', 'atlas', $1::jsonb, array['atlas'])`,
      [JSON.stringify(report)],
    );
    const written = await writeNote({
      root: config.layout.workspace,
      path: `resilience_engineer/uptime-${report.day}.md`,
      content: `${uptimeText(report)}\n`,
      mode: 'replace',
    }).catch((error: unknown) => {
      log.warn({ err: error }, 'the uptime note was not written; the event has it');
      return null;
    });
    return { ...report, note: written };
  },
);
