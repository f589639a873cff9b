import { Command, CommanderError } from 'commander';
import { EXIT, messageOf, OpenClawError } from '../lib/errors/index.ts';
import { addProcessVerbs } from './processVerbs.ts';

// Verbs whose process stays. The table of actions pulls in much that it does not need; what acts reads it when it does.
export const STAYS = ['up', 'worker', 'agent', 'gateway', 'bridge', 'crew', 'dash', 'dashboard'];

/** One command line, from its words to the exit code in `process.exitCode`. @returns whether it ended as it should. */
export async function runCommandLine(words: readonly string[]): Promise<boolean> {
  const program = new Command('openclaw')
    .description('A job runner for AI agents and their upkeep, on a server of your own.')
    .showHelpAfterError('(see: openclaw help)')
    .showSuggestionAfterError(true)
    .helpCommand('help [verb]', 'how to use a verb')
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 failed, 2 usage, 3 degraded or pending, 75 try again, 78 configuration.',
    );
  addProcessVerbs(program);
  if (!STAYS.includes(words[0] ?? '')) {
    const { addActions } = await import('./actions.ts');
    addActions(program);
  }
  try {
    await program.parseAsync(words, { from: 'user' });
    return true;
  } catch (error) {
    process.exitCode = report(error);
    return false;
  }
}

/** A person who mistyped never meets a stack; an error that is ours to mend shows one with OPENCLAW_LOG_LEVEL=debug. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof OpenClawError) {
    process.stderr.write(`${error.format()}\n`);
    return error.exitCode;
  }
  process.stderr.write(`E_UNEXPECTED: ${messageOf(error)}\n`);
  if (process.env.OPENCLAW_LOG_LEVEL === 'debug' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return EXIT.failed;
}
