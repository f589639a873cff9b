import { z } from 'zod';
import { OpenClawError } from '../lib/errors/index.ts';
import { scrub } from '../lib/log/index.ts';
import { defineTask, PermanentError } from '../lib/tasks/index.ts';
import { toMarkdown, writeNote } from '../lib/workspace/index.ts';

export default defineTask(
  {
    title: 'Write a note into the workspace',
    payload: z
      .object({
        /** Below the workspace. `{date}`, `{time}` (UTC) and `{id}` (mission or job) are filled in. */
        path: z.string().min(1).max(512),
        title: z.string().max(200).optional(),
        content: z.string().optional(),
        /** Data, written as headings with tables and lists. */
        sections: z.array(z.object({ title: z.string(), value: z.unknown() })).optional(),
        mode: z.enum(['replace', 'append', 'create']).default('replace'),
      })
      .refine(
        (note) => (note.content === undefined) !== (note.sections === undefined),
        'expected either content or sections',
      ),
    effect: 'write',
    timeout: '30 s',
    retryable: (error) => !(error instanceof OpenClawError && error.code.startsWith('E_NOTE')),
  },
  async ({ path, title, content, sections, mode }, { config, job }) => {
    const text =
      content ??
      toMarkdown(
        (sections ?? []).map((section) => ({ title: section.title, value: section.value })),
        { title: title ?? 'Note' },
      );
    const [date, time] = new Date().toISOString().slice(0, 19).split('T') as [string, string];
    const filled = path
      .replaceAll('{date}', date)
      .replaceAll('{time}', time.replaceAll(':', ''))
      .replaceAll('{id}', job.missionId ? `m${job.missionId}` : `j${job.id}`);
    if (/[{}]/.test(filled))
      throw new PermanentError('E_NOTE_PATH', `"${path}" has an unknown placeholder`, {
        expected: '{date}, {time}, {id}',
      });
    return writeNote({ root: config.layout.workspace, path: filled, content: scrub(text), mode });
  },
);
