import { spawn } from 'node:child_process';
import path from 'node:path';
import { loadConfig } from '../lib/config/index.ts';
import { DATABASE, LOGIN_ROLES } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { runningPostgres } from './context.ts';

/** psql with the right connection; the password goes by the environment, never by the arguments. */
export async function psql(role: string, rest: string[]): Promise<number> {
  const config = loadConfig();
  const postgres = await runningPostgres(config);
  const roles = ['postgres', ...LOGIN_ROLES] as string[];
  if (!roles.includes(role))
    throw new OpenClawError('E_ROLE', `there is no role "${role}"`, {
      expected: roles.join(', '),
      exitCode: EXIT.usage,
    });
  if (postgres.origin === 'configured' && role !== 'openclaw_worker') {
    throw new OpenClawError(
      'E_ROLE',
      `the server of DATABASE_URL is not ours: only its configured user is known here, not the password of ${role}`,
      {
        remedy: `psql with your own connection string, as ${role}`,
        exitCode: EXIT.usage,
      },
    );
  }
  // A socket's URL may have no host, which `new URL` refuses.
  const url = new URL(postgres.urlFor(role, DATABASE).replace(/^(\w+:\/\/[^/@]*@)\//, '$1localhost/'));
  const password = decodeURIComponent(url.password);
  url.password = '';
  const program = postgres.binDir ? path.join(postgres.binDir, 'psql') : 'psql';
  const child = spawn(program, [url.href, ...rest], {
    stdio: 'inherit',
    env: { ...process.env, ...postgres.env, PGPASSWORD: password },
  });
  // psql answers Ctrl-C itself (it cancels the query).
  const ignore = () => undefined;
  process.on('SIGINT', ignore);
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(
        new OpenClawError('E_NO_PSQL', `psql could not be started: ${error.message}`, {
          remedy: 'install the client: apt-get install postgresql-client',
          cause: error,
        }),
      ),
    );
    child.once('close', (code) => {
      process.off('SIGINT', ignore);
      resolve(code ?? EXIT.failed);
    });
  });
}
