import type { Pool } from '../../lib/db/index.ts';
import { toJson } from '../../lib/log/index.ts';
import { approvalButtons } from './views.ts';

/** Open approvals that nobody was asked yet become messages with buttons; answered ones lose their buttons and say by whom. */
export async function tellApprovals(db: Pool): Promise<number> {
  const { rows: open } = await db.query<{ id: string; who: string; text: string; options: string[] }>(
    `select a.id, a.who, approval_text(a.id) as text, a.options from ops_approvals a
     where a.state = 'open' and not exists (select from outbox o where o.answers = a.id) order by a.id limit 20`,
  );
  for (const approval of open) {
    await db.query("select queue_message($1, $2, $3::jsonb, $4, 'warning')", [
      approval.who === 'owner' ? 'owner' : 'operators',
      approval.text,
      toJson({ answers: Number(approval.id), buttons: [approvalButtons(approval.id, approval.options)] }),
      `approval/${approval.id}`,
    ]);
  }
  const { rows: ended } = await db.query<{ outbox: string; text: string }>(
    `with ended as (
       select o.id as outbox, o.text || E'\\n\\n' || case a.state when 'answered' then format('→ %s, by %s', a.answer, a.answered_by) else '→ ' || a.state end as text
       from outbox o join ops_approvals a on a.id = o.answers
       where a.state <> 'open' and o.edits is null and o.part_of is null and o.state in ('queued', 'sending', 'sent') and exists (select from message_buttons b where b.outbox_id = o.id)
         and not exists (select from outbox e where e.edits = o.id)
       order by o.id limit 20),
     spent as (update message_buttons set used_at = coalesce(used_at, clock_now()) where outbox_id in (select outbox from ended))
     select outbox, text from ended`,
  );
  for (const { outbox, text } of ended) await db.query('select edit_message($1, $2)', [outbox, text]);
  return open.length + ended.length;
}
