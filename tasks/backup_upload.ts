import { z } from 'zod';
import { uploadPending } from '../lib/backup/index.ts';
import { OpenClawError } from '../lib/errors/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Go on with the upload of archives that are on this machine only',
    payload: z.object({}),
    pool: 'upkeep',
    effect: 'outside',
    // The session says how far it came, and a file that is there is not sent again.
    idempotent: true,
    retries: 8,
    timeout: '2 h',
    backoff: { initial: '2 m', max: '30 m' },
    retryable: (error) => !(error instanceof OpenClawError && error.code === 'E_DRIVE_REAUTH'),
  },
  async (_payload, { config, query, log, signal }) => {
    const result = await uploadPending({ config, db: { query }, log, signal });
    if (result.offsite === 'failed') throw new OpenClawError('E_DRIVE', result.offsiteError ?? 'the upload failed');
    return result;
  },
);
