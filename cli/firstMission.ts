import { ACTIONS } from '../lib/actions/index.ts';
import type { Config } from '../lib/config/index.ts';
import { fromDatabase, type Pool } from '../lib/db/index.ts';
import { createLogger } from '../lib/log/index.ts';

/** On a home that has had no mission yet: submits the plan and shows it to its end. */
export async function submitFirstMission({
  config,
  db,
  plan,
  say,
  signal,
}: {
  config: Config;
  db: Pool;
  plan: string;
  say: (line: string) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { rowCount } = await db.query('select from ops_missions limit 1');
  if (rowCount) return;
  const action = ACTIONS.find((candidate) => candidate.name === 'missions new')!;
  say(`mission   submitting the plan ${plan}`);
  try {
    const result = await action.run(
      {
        config,
        db,
        log: createLogger({ name: 'cli', level: 'warn' }),
        say: (line) => say(`          ${line}`),
        signal,
      },
      { args: [plan], options: { wait: true, timeout: '60 s', priority: '0' } },
    );
    const mission = result.json as { id?: string; state: string; output?: { path?: string } | null };
    const note = mission.output?.path;
    say(`mission   ${mission.state}${note ? `: ${note}` : ''}; details: openclaw missions show m${mission.id}`);
  } catch (error) {
    throw fromDatabase(error);
  }
}
