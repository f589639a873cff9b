import { createInterface } from 'node:readline/promises';
import { type Command, Option as CommanderOption } from 'commander';
import { ACTIONS, type Action } from '../lib/actions/index.ts';
import { fromDatabase } from '../lib/db/index.ts';
import { EXIT, OpenClawError } from '../lib/errors/index.ts';
import { openActionContext } from './context.ts';

const GROUPS: Record<string, string> = {
  jobs: 'look at and change jobs',
  missions: 'submit, look at and cancel missions',
  proposals: 'missions that were asked for',
  policy: 'what may start, and what it may cost',
  breakers: 'what is stopped because it fails',
  approvals: 'questions that wait for a person',
  cron: 'schedules',
  devices: 'who may reach this system from elsewhere',
  rules: 'what starts by itself',
  reactions: 'what the rules decided',
  memory: 'what was learned',
  agents: 'look at, stop and talk to the agents',
  security: 'what is open',
  alerts: 'what was told, and what is silent',
  drive: 'Google Drive, where archives are sent',
  credentials: 'secrets, kept encrypted',
  backup: 'archives: make, verify, restore, drill, prune',
  learn: 'statistics of outcomes, and what they propose',
  providers: 'models and search services',
  interests: 'what Scout looks for by itself',
  signals: 'what research found',
  incidents: 'what went wrong',
  pair: 'let people in on Telegram',
  route: 'where messages go',
  tasks: 'what can be run',
  plans: 'what missions can be made of',
  events: 'what happened',
  audit: 'who changed what',
};

/** Every action as a verb of the command line: `jobs list` is the verb `list` of the group `jobs`. */
export function addActions(program: Command): void {
  for (const action of ACTIONS) {
    const [first, second] = action.name.split(' ') as [string, string?];
    const parent = second === undefined ? program : groupOf(program, first);
    const command = parent.command(second ?? first).description(action.title);
    for (const argument of action.args ?? [])
      command.argument(argument.optional ? `[${argument.name}]` : `<${argument.name}>`, argument.description);
    for (const option of action.options ?? []) {
      const built = new CommanderOption(option.flags, option.description);
      if (option.choices) built.choices([...option.choices]);
      if (option.default !== undefined) built.default(option.default);
      command.addOption(built);
    }
    command.option('--json', 'print the result as JSON');
    if (action.danger === 'confirm') command.option('--yes', 'do not ask');
    if (action.example) command.addHelpText('after', `\nExample:\n  ${action.example}`);
    command.action(async (...given: unknown[]) => {
      const args = given.slice(0, action.args?.length ?? 0) as (string | undefined)[];
      const options = given[action.args?.length ?? 0] as Record<string, string | boolean | undefined>;
      process.exitCode = await perform(action, args, options);
    });
  }
}

function groupOf(program: Command, name: string): Command {
  return (
    program.commands.find((command) => command.name() === name) ??
    program.command(name).description(GROUPS[name] ?? name)
  );
}

async function perform(
  action: Action,
  args: (string | undefined)[],
  options: Record<string, string | boolean | undefined>,
): Promise<number> {
  if (action.danger === 'confirm' && !options.yes) await confirm(action, args);
  const opened = await openActionContext(action.name, options.json === true, action.withoutDatabase);
  try {
    const result = await action.run(opened.context, { args, options });
    const text = options.json ? JSON.stringify(result.json) : result.text;
    if (text) process.stdout.write(`${text}\n`);
    return result.exitCode ?? EXIT.ok;
  } catch (error) {
    throw fromDatabase(error);
  } finally {
    await opened.close();
  }
}

async function confirm(action: Action, args: (string | undefined)[]): Promise<void> {
  const what = `${action.name} ${args.join(' ')}`;
  if (!process.stdin.isTTY) {
    throw new OpenClawError('E_CONFIRM', `"${what}" asks first, and there is nobody to ask`, {
      remedy: 'add --yes',
      exitCode: EXIT.usage,
    });
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await asking.question(`${what}: ${action.title.toLowerCase()}. Go on? [y/N] `);
  asking.close();
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new OpenClawError('E_CONFIRM', `"${what}" was not confirmed; nothing was changed`);
}
