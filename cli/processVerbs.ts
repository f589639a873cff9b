import { type Command, Option } from 'commander';

/** The verbs that start or stop a process or belong to a terminal. Each is imported when it is used, so that help stays quick. */
export function addProcessVerbs(program: Command): void {
  program
    .command('up')
    .description('start everything: servers, database, workers; on a terminal its screen opens')
    .option('--detach', 'leave it running in the background, without its screen')
    .option('--stay', 'stay in this terminal without the screen; Ctrl-C stops everything')
    .option('--first-mission <plan>', 'when this home has no mission yet, submit this plan and show it')
    // What --detach leaves running.
    .addOption(new Option('--background').hideHelp())
    .action(async (options: { detach?: boolean; stay?: boolean; background?: boolean; firstMission?: string }) => {
      const { up } = await import('./up.ts');
      process.exitCode = await up(options);
    });
  program
    .command('down')
    .description('stop what up has started, and the private servers')
    .option('--json', 'print the result as JSON')
    .action(async (options: { json?: boolean }) => {
      const { down } = await import('./down.ts');
      process.exitCode = await down(options);
    });
  program
    .command('status')
    .description('servers, workers, queue and missions: exit 0 all well, 3 degraded')
    .option('--json', 'print the status as JSON')
    .action(async (options: { json?: boolean }) => {
      const { status } = await import('./status.ts');
      process.exitCode = await status(options);
    });
  program
    .command('dash')
    .description('the screen in this terminal; ? shows its keys')
    .option('--once', 'one picture instead, for scripts')
    .option('--text', 'with --once: as text')
    .option('--json', 'with --once: what it is made of, as JSON')
    .option('--size <size>', 'with --once: columns x rows, for example 80x24')
    .option('--page <page>', 'with --once: which page, for example queue, or "mission m12"')
    .option('--ascii', 'no signs beyond ASCII')
    .option('--theme <theme>', 'dark, light or mono')
    .option('--read-only', 'look only')
    .action(async (options: Record<string, string | boolean | undefined>) => {
      const { dash } = await import('./dash.ts');
      process.exitCode = await dash(options);
    });
  program
    .command('dashboard')
    .description('serve the screen by SSH to paired keys (openclaw devices add-key)')
    .option('--host <address>', 'where to listen; default OPENCLAW_DASHBOARD_HOST')
    .option('--port <port>', 'its port; default OPENCLAW_DASHBOARD_PORT')
    .action(async (options: { host?: string; port?: string }) => {
      const { dashboard } = await import('./dashboard.ts');
      process.exitCode = await dashboard(options);
    });
  program
    .command('migrate')
    .description('bring the database to this version (up does it too); twice at once is safe')
    .option('--check', 'only say whether it is: exit 3 when not')
    .option('--json', 'print the result as JSON')
    .action(async (options: { check?: boolean; json?: boolean }) => {
      const { migrateDatabase } = await import('./migrate.ts');
      process.exitCode = await migrateDatabase(options);
    });
  program
    .command('psql')
    .description('open psql on the database; its own arguments after --')
    .option('--as <role>', 'the role to log in as', 'openclaw_worker')
    .argument('[arguments...]', "psql's own arguments")
    .action(async (rest: string[], options: { as: string }) => {
      const { psql } = await import('./psql.ts');
      process.exitCode = await psql(options.as, rest);
    });
  program
    .command('worker')
    .description(
      'run the pools named (missions, upkeep, reactions, learning) in this process, on servers that run already',
    )
    .argument('<pools...>', 'their names')
    .option('--no-cron', 'do not plan the schedules')
    .action(async (pools: string[], options: { cron: boolean }) => {
      const { worker } = await import('./worker.ts');
      process.exitCode = await worker(pools, options);
    });
  program
    .command('agent')
    .description('run one agent in this process, on servers that run already')
    .argument('<name>', 'its name: openclaw agents list')
    .option('--standby', 'while it runs elsewhere, wait, and take over when that one ends')
    .action(async (name: string, options: { standby?: boolean }) => {
      const { agent } = await import('./loops.ts');
      process.exitCode = await agent(name, options);
    });
  program
    .command('gateway')
    .description('run MilkBot: Telegram in and out, the router, and its own loop')
    .option('--standby', 'while it runs elsewhere, wait, and take over when that one ends')
    .action(async (options: { standby?: boolean }) => {
      const { gateway } = await import('./loops.ts');
      process.exitCode = await gateway(options);
    });
  program
    .command('crew')
    .description('run the pools, the gateway, all agents, the bridge and the screen in this one process, as up does')
    .action(async () => {
      const { crew } = await import('./crew.ts');
      process.exitCode = await crew();
    });
  program
    .command('bridge')
    .description('carry the beats of the agents from Redis to Postgres')
    .option('--standby', 'while it runs elsewhere, wait, and take over when that one ends')
    .action(async (options: { standby?: boolean }) => {
      const { bridge } = await import('./loops.ts');
      process.exitCode = await bridge(options);
    });
  const config = program.command('config').description('the configuration');
  config
    .command('check')
    .description('check the environment and config/.env; prints names, never values')
    .option('--json', 'print the result as JSON')
    .action(async (options: { json?: boolean }) => {
      const { configCheck } = await import('./configCheck.ts');
      process.exitCode = configCheck(options);
    });
  program
    .command('types')
    .description('write types/tasks.d.ts, so that addJob knows the payload of every task')
    .action(async () => {
      const { writeTaskTypes } = await import('./taskTypes.ts');
      process.exitCode = await writeTaskTypes();
    });
}
