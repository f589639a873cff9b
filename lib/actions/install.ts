import { EXIT, OpenClawError } from '../errors/index.ts';
import type { Action } from './types.ts';

const ROOT_OPTION = {
  flags: '--root <folder>',
  description: 'the root of another system (a chroot), instead of this machine',
};
const DRY = { flags: '--dry-run', description: 'say what would be done, and do nothing' };

export const installActions: readonly Action[] = [
  {
    name: 'install',
    title:
      'Make this machine a server of OpenClaw: packages, account, database, code, units; a second run changes nothing',
    options: [DRY, ROOT_OPTION, { flags: '--no-start', description: 'do not start the units' }],
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    example: 'sudo bin/openclaw install --dry-run',
    run: async ({ print, say }, { options }) => {
      const { install, openHost } = await import('../install/index.ts');
      const dryRun = options.dryRun === true;
      const steps = await install(openHost(String(options.root ?? '/')), {
        dryRun,
        start: options.start !== false,
        say: print ?? say,
      });
      const changed = steps.filter(({ missing }) => missing.length > 0).length;
      const next = 'Next: openclaw init (keys, Telegram, test alert, recovery kit), then: openclaw health';
      const text =
        changed === 0
          ? 'nothing to do: all is as it should be'
          : dryRun
            ? `${changed} steps would be done`
            : `${changed} steps done. ${next}`;
      return { json: { dryRun, steps }, text };
    },
  },
  {
    name: 'uninstall',
    title: 'Stop and take away units, code and command; data stay unless they are purged by name',
    options: [
      DRY,
      ROOT_OPTION,
      {
        flags: '--purge <name>',
        description: 'type "openclaw": drops the database, all data, keys and local backups too',
      },
    ],
    who: 'operator',
    danger: 'confirm',
    withoutDatabase: true,
    run: async ({ print, say }, { options }) => {
      if (options.purge !== undefined && options.purge !== 'openclaw')
        throw new OpenClawError('E_PURGE_NAME', `--purge is "${options.purge}"; nothing was removed`, {
          expected: 'the name of what is to be destroyed: openclaw',
          exitCode: EXIT.usage,
        });
      const { openHost, uninstall } = await import('../install/index.ts');
      const dryRun = options.dryRun === true;
      const steps = await uninstall(openHost(String(options.root ?? '/')), {
        dryRun,
        purge: options.purge === 'openclaw',
        say: print ?? say,
      });
      return { json: { dryRun, steps }, text: dryRun ? 'nothing was removed' : 'uninstalled' };
    },
  },
  {
    name: 'upgrade',
    title:
      'Backup, install this checkout beside the running release, migrate, switch, check health, go back when it falls',
    options: [DRY, ROOT_OPTION, { flags: '--no-backup', description: 'there is a backup already' }],
    who: 'operator',
    danger: 'confirm',
    withoutDatabase: true,
    example: 'sudo bin/openclaw upgrade, in the checkout of the new release',
    run: async ({ print, say }, { options }) => {
      const { openHost, upgrade } = await import('../install/index.ts');
      const result = await upgrade(openHost(String(options.root ?? '/')), {
        say: print ?? say,
        dryRun: options.dryRun === true,
        backup: options.backup !== false,
      });
      const text = {
        upgraded: `upgraded to ${result.to}`,
        same: `${result.to} runs already`,
        'rolled back': `rolled back to ${result.from}: ${result.reason}`,
        'would upgrade': 'nothing was changed',
      };
      return {
        json: result,
        text: text[result.outcome],
        exitCode: result.outcome === 'rolled back' ? EXIT.failed : EXIT.ok,
      };
    },
  },
];
