import os from 'node:os';
import type { Queryable } from '../db/index.ts';
import { toJson } from '../log/index.ts';
import { limitsRow } from './limits.ts';
import { payloadFields, payloadPredicate } from './predicate.ts';
import type { LoadedTask } from './types.ts';

/** Writes the tasks into ops_tasks, so that work can be asked for in SQL and refused at the door; retires those of this home whose file is gone. */
export async function registerTasks(db: Queryable, tasks: Iterable<LoadedTask>, home: string): Promise<void> {
  const registeredBy = `${os.hostname()}:${home}`;
  const rows = [...tasks].map((task) => {
    const fields = payloadFields(task.payloadSchema);
    return {
      identifier: task.identifier,
      title: task.title,
      pool: task.pool,
      effect: task.effect,
      idempotent: task.idempotent,
      untrusted: task.untrusted,
      durable: task.durable,
      limits: limitsRow(task.limits),
      max_attempts: task.maxAttempts,
      timeout_ms: task.timeoutMs,
      backoff: { initial_ms: task.backoff.initialMs, factor: task.backoff.factor, max_ms: task.backoff.maxMs },
      payload_schema: task.payloadSchema,
      payload_predicate: payloadPredicate(fields),
      payload_fields: fields,
      file: task.file,
      content_hash: task.contentHash,
    };
  });
  await db.query(
    `with given as (
       select * from jsonb_to_recordset($1::jsonb) g(identifier text, title text, pool text, effect text, idempotent boolean, untrusted boolean, durable boolean, limits jsonb, max_attempts smallint,
         timeout_ms integer, backoff jsonb, payload_schema jsonb, payload_predicate jsonpath, payload_fields jsonb, file text, content_hash text)),
     known as (
       insert into graphile_worker._private_tasks (identifier)
         select g.identifier from given g where not exists (select from graphile_worker._private_tasks t where t.identifier = g.identifier)
         on conflict do nothing),
     retired as (
       update ops_tasks t set retired_at = now() where registered_by = $2 and retired_at is null and not exists (select from given g where g.identifier = t.identifier))
     insert into ops_tasks as t (identifier, title, pool, effect, idempotent, untrusted, durable, limits, max_attempts, timeout_ms, backoff, payload_schema, payload_predicate, payload_fields, file, content_hash, registered_by)
       select identifier, title, pool, effect, idempotent, untrusted, durable, nullif(limits, 'null'), max_attempts, timeout_ms, backoff, payload_schema, payload_predicate, payload_fields, file, content_hash, $2
       from given order by identifier
     on conflict (identifier) do update set title = excluded.title, pool = excluded.pool, effect = excluded.effect, idempotent = excluded.idempotent, untrusted = excluded.untrusted, durable = excluded.durable, limits = excluded.limits,
       max_attempts = excluded.max_attempts, timeout_ms = excluded.timeout_ms, backoff = excluded.backoff, payload_schema = excluded.payload_schema,
       payload_predicate = excluded.payload_predicate, payload_fields = excluded.payload_fields, file = excluded.file, content_hash = excluded.content_hash,
       registered_by = excluded.registered_by, registered_at = now(), retired_at = null
     where (t.title, t.pool, t.effect, t.idempotent, t.untrusted, t.durable, t.limits, t.max_attempts, t.timeout_ms, t.backoff, t.payload_schema, t.payload_predicate::text, t.file, t.content_hash, t.registered_by, t.retired_at)
       is distinct from (excluded.title, excluded.pool, excluded.effect, excluded.idempotent, excluded.untrusted, excluded.durable, excluded.limits, excluded.max_attempts, excluded.timeout_ms, excluded.backoff,
         excluded.payload_schema, excluded.payload_predicate::text, excluded.file, excluded.content_hash, excluded.registered_by, null::timestamptz)`,
    [toJson(rows), registeredBy],
  );
}
