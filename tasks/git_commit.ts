import { z } from 'zod';
import { OpenClawError } from '../lib/errors/index.ts';
import { commitWorkspace } from '../lib/git/index.ts';
import { subjectLog } from '../lib/log/index.ts';
import { defineTask } from '../lib/tasks/index.ts';

export default defineTask(
  {
    title: 'Commit the workspace into repo/ and push it, unless a secret is in it',
    payload: z.object({}),
    pool: 'upkeep',
    effect: 'outside',
    // What is committed is not committed again, what is pushed is not pushed again.
    idempotent: true,
    retries: 5,
    timeout: '20 m',
    backoff: { initial: '1 m', max: '30 m' },
    retryable: (error) => !(error instanceof OpenClawError && error.code === 'E_SECRET_FOUND'),
  },
  async (_payload, { config, query, log, signal, job }) =>
    commitWorkspace({
      config,
      db: { query },
      log: subjectLog(config, 'github-commit', log).child({ trace: job.traceId ?? undefined }),
      signal,
    }),
);
