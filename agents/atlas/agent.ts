import { z } from 'zod';
import { defineAgent, handler } from '../../lib/agents/index.ts';
import { uptimeReport, uptimeText } from '../../lib/watch/index.ts';
import { atlasAnswer } from './answer.ts';
import { watch } from './watch.ts';

export default defineAgent({
  handlers: {
    message: handler({
      title: 'Says what is wrong now, or who was up how long',
      payload: z.object({ text: z.string().min(1).max(4096) }).loose(),
      run: async ({ text }, { db, reply }) => reply(await atlasAnswer(db, text)),
    }),
    uptime: handler({
      title: 'Says who was up how long, of a UTC day (by default yesterday)',
      payload: z.object({ day: z.iso.date().optional() }),
      run: async ({ day }, { db, reply }) => {
        const report = await uptimeReport(db, day);
        reply(uptimeText(report));
        return report;
      },
    }),
  },
  ticks: [
    { name: 'agents', cron: '*/5 * * * * *', run: watch.agents },
    { name: 'services', cron: '*/15 * * * * *', run: watch.services },
    { name: 'host', cron: '*/30 * * * * *', run: watch.host },
    { name: 'opportunities', cron: '45 * * * * *', run: watch.opportunities },
  ],
});
