import { EXIT, OpenClawError } from '../errors/index.ts';
import type { Action } from './types.ts';

export const initActions: readonly Action[] = [
  {
    name: 'init',
    title:
      'Ask for keys and try each, pair the owner, send a test alert, print the recovery kit; run it again at any time',
    options: [{ flags: '--kit', description: 'only print the recovery kit' }],
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ config, ask, say, print, db, signal }, { options }) => {
      const { configAfter, pairOwner, recoveryKit, runInit } = await import('../init/index.ts');
      if (options.kit === true) return { json: { kit: recoveryKit(config) }, text: recoveryKit(config) };
      if (!ask || !process.stdin.isTTY)
        throw new OpenClawError('E_NO_TERMINAL', 'init asks, and there is nobody to ask', {
          remedy: `run it at a terminal, or write ${config.layout.envFile} (mode 600) as config/.env.example shows`,
          exitCode: EXIT.usage,
        });
      const result = await runInit({ config, ask, say }).catch((error: unknown) => {
        if (!(error instanceof OpenClawError) || error.code !== 'E_NO_ANSWER') throw error;
        throw new OpenClawError(error.code, 'the questions were left', {
          remedy: 'what was answered is written; openclaw init asks for the rest at any time',
          exitCode: EXIT.usage,
        });
      });
      const owned = await pairOwner({ config: configAfter(config), db, say: print ?? say, signal });
      const after = configAfter(config);
      const [{ alertDirectly }, { rememberOwners }] = await Promise.all([
        import('../alerts/direct.ts'),
        import('../health/index.ts'),
      ]);
      // The second path asks no database: whoever was paired just now is told to it first.
      await rememberOwners(db, after.layout).catch(() =>
        say('the owners are not known to the alerts: Postgres is away'),
      );
      const alert = await alertDirectly(after, {
        severity: 'info',
        fingerprint: `test:${Date.now()}`,
        title: 'a test from openclaw init',
        body: 'If you read this, alerts reach you.',
      });
      (print ?? say)(`test alert: ${alert}`);
      // An act of the person, where there is a database yet: which keys, never values.
      await db
        .query("select record_act('init', 'config/.env', null, $1)", [JSON.stringify(result)])
        .catch(() => say('not in the audit: Postgres is away'));
      const restart =
        result.changed.length > 0
          ? [
              'Restart what runs, so that it reads the keys: systemctl restart openclaw.target, or openclaw down; openclaw up --detach',
            ]
          : [];
      return { json: { ...result, owned, alert }, text: [...restart, '', recoveryKit(after)].join('\n') };
    },
  },
];
