import { defineTask, PermanentError, z } from 'openclaw';

export default defineTask(
  {
    title: 'Deploy the site',
    payload: z.object({ host: z.string() }),
    effect: 'write',
    retries: 3,
    backoff: { initial: '20 s' },
  },
  async ({ host }) => {
    if (host === 'web2') throw new PermanentError('E_HOST_KEY', 'web2 refuses the key: its host key has changed');
    throw new Error(`${host} answers 503 Service Unavailable`);
  },
);
