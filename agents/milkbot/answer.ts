import { fromDatabase, type PoolClient, type Queryable } from '../../lib/db/index.ts';
import { didYouMean, messageOf, OpenClawError } from '../../lib/errors/index.ts';
import { scrub, toJson } from '../../lib/log/index.ts';
import { escapeHtml } from '../../lib/telegram/index.ts';
import { COMMANDS, commandNamed } from './commands.ts';
import type { Ending, InboxRow, Outcome } from './inbox.ts';
import { type Answer, type ChatContext, mayDo, type Role } from './types.ts';

export const COMMAND_LIMIT_MS = 10_000;

/** Runs a command as its person; what it says, or why it could not, is the answer. */
export async function runCommand(
  tx: PoolClient,
  row: InboxRow,
  context: ChatContext,
  name: string,
  args: readonly string[],
  confirmed: boolean,
  route: string,
  edits?: string,
): Promise<Ending> {
  const command = commandNamed(name);
  if (!command) return say(tx, row, unheardOf(name, args, context.person.role), route, 'refused');
  if (!mayDo(context.person.role, command.role)) {
    return say(
      tx,
      row,
      { text: `/${name} needs the role ${command.role}; yours is ${context.person.role}.` },
      route,
      'refused',
    );
  }
  try {
    const said = await attempt(tx, () => command.run(context, args, confirmed));
    return await say(tx, row, edits ? { ...said, edits } : said, route, 'answered');
  } catch (thrown) {
    const error = fromDatabase(thrown);
    if (!(error instanceof OpenClawError)) context.log.warn({ err: error, command: name }, 'a command failed');
    const lines =
      error instanceof OpenClawError
        ? [error.message, ...error.faults, ...(error.remedy ? [`→ ${error.remedy}`] : [])]
        : ['That did not work; the log says why.'];
    const ending = await say(tx, row, { text: `⚠️ ${lines.join('\n')}` }, route, 'failed');
    return { ...ending, error: scrub(messageOf(error)).slice(0, 500) };
  }
}

/** On a phone a letter is soon wrong: what was probably meant is a button. */
function unheardOf(name: string, args: readonly string[], role: Role): Answer {
  const there = COMMANDS.filter((command) => mayDo(role, command.role)).map((command) => command.name);
  const meant = didYouMean(name, there);
  const text = `There is no /${name.slice(0, 40)}.`;
  if (!meant) return { text: `${text} /help shows what there is.` };
  return {
    text: `${text} Did you mean /${meant}?`,
    buttons: [[{ label: [`/${meant}`, ...args].join(' ').slice(0, 40), action: meant, args: [...args] }]],
  };
}

/** A statement that Postgres refuses must not take the whole transaction, or its answer, with it. */
export async function attempt<T>(tx: PoolClient, work: () => Promise<T>): Promise<T> {
  await tx.query('savepoint attempt');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new OpenClawError('E_TOO_LONG', `it took longer than ${COMMAND_LIMIT_MS / 1000} s`, {
            remedy: 'use the command line for it',
          }),
        ),
      COMMAND_LIMIT_MS,
    );
  });
  try {
    const result = await Promise.race([work(), late]);
    await tx.query('release savepoint attempt');
    return result;
  } catch (error) {
    await tx.query('rollback to savepoint attempt');
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The answer of an update: queued, or in place of an earlier message. */
export async function say(
  tx: PoolClient,
  row: InboxRow,
  answer: Answer,
  route: string,
  outcome: Outcome,
): Promise<Ending> {
  const options = { ...(answer.html && { html: true }), ...(answer.buttons && { buttons: answer.buttons }) };
  let outboxId = answer.edits;
  if (outboxId) await rewrite(tx, outboxId, answer);
  else {
    const { rows } = await tx.query<{ id: string }>('select queue_message($1, $2, $3::jsonb, $4) as id', [
      `telegram:${row.chat_id}`,
      textOf(answer),
      toJson(options),
      `in${row.id}/answer`,
    ]);
    outboxId = rows[0]!.id;
    if (answer.follows)
      await tx.query('insert into mission_messages (outbox_id, mission_id) values ($1, $2) on conflict do nothing', [
        outboxId,
        answer.follows,
      ]);
  }
  return { route, outcome, ...(answer.later && { later: { outboxId, make: answer.later } }) };
}

/** Verbs of the command line that are said with a slash here, with the same words behind them. */
const SAID_HERE = /\bopenclaw (status|health|approve|reject|pause|resume|why|quota|cost)\b/g;

const textOf = (answer: Answer) => scrub(answer.text).replace(SAID_HERE, '/$1') || escapeHtml('(nothing to show)');

/** In place of an earlier message, which keeps its buttons. */
export async function rewrite(db: Queryable, outboxId: string, answer: Answer): Promise<void> {
  const options = toJson({ html: answer.html === true });
  await db.query('select edit_message($1, $2, $3::jsonb)', [outboxId, textOf(answer), options]);
}
