import pg from 'pg';
import { jobStarted } from './progress.ts';
import type { WorkerStart } from './protocol.ts';

/** DBOS as its documentation has it: a workflow of five steps, called directly, so many at once. Loaded here only. */
export async function startDbos({ url, concurrency, jobs }: WorkerStart): Promise<() => Promise<void>> {
  const { DBOS } = await import('@dbos-inc/dbos-sdk');
  const pool = new pg.Pool({ connectionString: url, max: Math.min(concurrency, 24) + 4 });
  pool.on('error', (error) => console.error(error));
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, systemDatabasePool: pool, logLevel: 'error' });
  const steps = ['a', 'b', 'c', 'd', 'e'];
  const mission = DBOS.registerWorkflow(
    async () => {
      for (const name of steps) {
        await DBOS.runStep(
          async () => {
            jobStarted({});
            return { ok: true };
          },
          { name },
        );
      }
    },
    { name: 'mission' },
  );
  await DBOS.launch();
  let left = jobs / steps.length;
  const loop = async () => {
    while (left-- > 0) await mission();
  };
  for (let n = 0; n < concurrency; n++) loop().catch((error: unknown) => console.error(error));
  return async () => {
    await DBOS.shutdown();
    await pool.end().catch(() => undefined);
  };
}
