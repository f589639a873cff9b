import { z } from 'zod';
import type { Pool, Queryable } from '../db/index.ts';
import { transaction } from '../db/index.ts';
import { scrub, scrubbedJson, toJson } from '../log/index.ts';
import { isRetryableCall } from '../providers/retryable.ts';
import { errorClassOf, rowMessage } from '../queue/errorClass.ts';
import { PermanentError } from '../tasks/define.ts';
import { BUILT_IN } from './builtin.ts';
import type { AgentContext, AgentDefinition, AgentMessage } from './types.ts';

/** Starts of one message: errors that may pass, and deaths of the process, count alike. */
export const ATTEMPTS = 5;
const RETRY_MS = { first: 1000, factor: 4, max: 60_000 };

export interface MessageRow {
  id: string;
  recipient: string;
  kind: string;
  payload: Record<string, unknown>;
  sender: string;
  reply_to: string | null;
  untrusted: boolean;
  trace_id: string;
  attempts: number;
}

export type Parts = Omit<AgentContext, 'later' | 'reply' | 'tell' | 'event'>;

/** The context with what it collects: everything that is to be written in the transaction of the end. */
export function collecting(
  parts: Parts,
  message: AgentMessage | undefined,
): { context: AgentContext; writes: ((tx: Queryable) => Promise<unknown>)[] } {
  const writes: ((tx: Queryable) => Promise<unknown>)[] = [];
  const key = (what: string) => (message ? `am${message.id}/${what}${writes.length}` : null);
  return {
    writes,
    context: {
      ...parts,
      later: (write) => void writes.push(write),
      reply: (text, options = {}) => {
        if (!message?.replyTo || !text) return;
        const { severity = 'info', ...rest } = options;
        const values = [message.replyTo, scrub(text), scrubbedJson(rest), key('reply'), severity];
        writes.push((tx) => tx.query('select queue_message($1, $2, $3::jsonb, $4, $5)', values));
      },
      tell: (agent, kind, payload) => {
        const values = [
          agent,
          kind,
          toJson(payload),
          key('tell'),
          message?.replyTo ?? null,
          message?.untrusted ?? false,
        ];
        writes.push((tx) => tx.query('select send_to_agent($1, $2, $3::jsonb, $4, $5, $6)', values));
      },
      event: (kind, payload, severity = 'info') => {
        const values = [kind, parts.agent, severity, scrubbedJson(payload), message?.untrusted ?? false];
        writes.push((tx) =>
          tx.query(
            'insert into ops_agent_events (kind, agent, severity, payload, untrusted, trace_id) values ($1, $2, $3, $4, $5, current_trace())',
            values,
          ),
        );
      },
    },
  };
}

/** What a session says of itself, for one transaction: who acts, and the trace that goes on. */
export async function actAs(tx: Queryable, actor: string, source: string, trace: string): Promise<void> {
  await tx.query(
    "select set_config('openclaw.actor', $1, true), set_config('openclaw.source', $2, true), set_config('openclaw.trace', $3, true)",
    [actor, source, trace],
  );
}

export type Handled = 'handled' | 'failed' | 'retry' | 'stopped' | 'lost';

/**
 * Handles one message that was claimed. Its end, its answers and whatever the handler left for `later` are one
 * transaction, which changes nothing when the message has ended already.
 */
export async function handleMessage(
  row: MessageRow,
  definition: AgentDefinition,
  parts: Parts,
  pool: Pool,
): Promise<Handled> {
  const message: AgentMessage = {
    id: row.id,
    kind: row.kind,
    payload: row.payload,
    sender: row.sender,
    replyTo: row.reply_to,
    untrusted: row.untrusted,
    traceId: row.trace_id,
    attempt: row.attempts,
  };
  const { context, writes } = collecting(parts, message);
  let failure: unknown;
  let result: string | null = null;
  try {
    if (row.attempts > ATTEMPTS) throw new PermanentError('E_POISON', `it was begun ${ATTEMPTS} times and never ended`);
    const handler = definition.handlers[row.kind] ?? BUILT_IN[row.kind];
    if (!handler) {
      throw new PermanentError('E_NO_HANDLER', `${parts.agent} has no handler for "${row.kind}"`);
    }
    const payload = handler.payload.safeParse(row.payload);
    if (!payload.success) throw new PermanentError('E_PAYLOAD', z.prettifyError(payload.error));
    const returned = await handler.run(payload.data, { ...context, message });
    result = returned === undefined ? null : scrubbedJson(returned);
  } catch (error) {
    failure = error;
  }
  if (failure !== undefined && parts.signal.aborted) return 'stopped';
  if (failure === undefined) {
    const ended = await end(pool, parts, row, async (tx) => {
      if (!(await finish(tx, row.id, 'handled', result, null, null))) return false;
      for (const write of writes) await write(tx);
      return true;
    }).catch((error: unknown) => {
      failure = error;
      return undefined;
    });
    if (ended !== undefined) return ended ? 'handled' : 'lost';
    if (!isRefusal(failure)) throw failure;
  }
  return fail(row, failure, parts, pool);
}

async function fail(row: MessageRow, error: unknown, parts: Parts, pool: Pool): Promise<Handled> {
  const permanent =
    error instanceof PermanentError || isRefusal(error) || !isRetryableCall(error) || row.attempts >= ATTEMPTS;
  const text = rowMessage(error);
  parts.log.warn({ err: error, message: row.id, kind: row.kind, attempt: row.attempts, permanent }, 'a message failed');
  if (!permanent) {
    const wait = Math.min(RETRY_MS.first * RETRY_MS.factor ** (row.attempts - 1), RETRY_MS.max);
    await pool.query(
      `update agent_messages set not_before = clock_now() + $2::float8 * interval '1 millisecond', error_class = $3, error = $4
       where id = $1 and handled_at is null`,
      [row.id, wait, errorClassOf(error), text],
    );
    return 'retry';
  }
  const ended = await end(pool, parts, row, async (tx) => {
    if (!(await finish(tx, row.id, 'failed', null, errorClassOf(error), text))) return false;
    if (row.reply_to) {
      await tx.query("select queue_message($1, $2, '{}', $3, 'warning')", [
        row.reply_to,
        `${parts.identity.name} could not do that: ${text.slice(0, 1000)}`,
        `am${row.id}/failed`,
      ]);
    }
    return true;
  });
  return ended ? 'failed' : 'lost';
}

function end(pool: Pool, parts: Parts, row: MessageRow, work: (tx: Queryable) => Promise<boolean>): Promise<boolean> {
  return transaction(pool, async (tx) => {
    await actAs(tx, `agent:${parts.agent}`, 'agent', row.trace_id);
    return work(tx);
  });
}

async function finish(
  tx: Queryable,
  id: string,
  outcome: 'handled' | 'failed',
  result: string | null,
  errorClass: string | null,
  error: string | null,
): Promise<boolean> {
  const { rows } = await tx.query<{ done: boolean }>('select finish_agent_message($1, $2, $3::jsonb, $4, $5) as done', [
    id,
    outcome,
    result,
    errorClass,
    error,
  ]);
  return rows[0]!.done;
}

/** Postgres said no (not: was away): what was to be written will be refused again. */
function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown })?.code;
  return typeof code === 'string' && /^(OC\d{3}|2[23]\w{3})$/.test(code);
}
