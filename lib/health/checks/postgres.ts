import { messageOf } from '../../errors/index.ts';
import { withoutPassword } from '../../servers/index.ts';
import { askPostgres } from '../../servers/postgresProbe.ts';
import { fail, pass, warn } from '../findings.ts';
import type { Check } from '../types.ts';

const ANSWER_LIMIT_MS = 2000;
const CONNECTIONS_WARN = 0.8;

const CONNECTIONS = `select (select count(*)::integer from pg_stat_activity where backend_type = 'client backend') as used,
  current_setting('max_connections')::integer as most`;

export const postgres: Check = {
  id: 'postgres',
  title: 'PostgreSQL',
  severity: 'critical',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 2,
  remedy: 'systemctl restart postgresql (with units), or openclaw up --detach, which starts the private server',
  runbook: 'postgres-gone',
  probe: async ({ db, config }) => {
    if (!db) {
      if (!config.databaseUrl) return fail('the private Postgres does not answer');
      const answer = await askPostgres(config.databaseUrl, ANSWER_LIMIT_MS);
      return fail(
        `${withoutPassword(config.databaseUrl)} does not take us in${answer.state === 'ready' ? ' in time' : `: ${answer.why}`}`,
      );
    }
    const start = performance.now();
    const answer = await db
      .query<{ used: number; most: number }>(CONNECTIONS)
      .catch((error: unknown) => messageOf(error));
    if (typeof answer === 'string') return fail(`a query failed: ${answer}`);
    const ms = Math.round(performance.now() - start);
    const { used, most } = answer.rows[0]!;
    if (ms > ANSWER_LIMIT_MS) return fail(`answers after ${ms} ms, at most ${ANSWER_LIMIT_MS} are well`);
    const text = `answers in ${ms} ms, ${used} of ${most} connections`;
    return used > most * CONNECTIONS_WARN ? warn(text) : pass(text);
  },
};
