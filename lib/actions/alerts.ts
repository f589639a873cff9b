import { EXIT, OpenClawError } from '../errors/index.ts';
import { durationMs } from '../tasks/duration.ts';
import { parseNumber } from './ids.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

export const alertActions: readonly Action[] = [
  {
    name: 'alerts list',
    title: 'The newest alerts, what became of each, and what is muted',
    options: [{ flags: '--limit <n>', description: 'how many', default: '20' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows: alerts } = await db.query<Record<string, string> & { created_at: Date }>(
        'select id, severity, kind, fingerprint, title, state, reason, runbook, message_id, created_at from ops_alerts order by id desc limit $1',
        [parseNumber(options.limit, '--limit', 1, 1000)],
      );
      const { rows: mutes } = await db.query<{ pattern: string; until: Date; reason: string | null; actor: string }>(
        'select pattern, until, reason, actor from ops_alert_mutes where until > clock_now() order by pattern',
      );
      const table = textTable(
        ['at', 'severity', 'kind', 'became', 'about', 'title'],
        alerts.map((alert) => [
          timeText(alert.created_at),
          alert.severity,
          alert.kind,
          alert.reason ? `${alert.state} (${alert.reason})` : alert.state,
          alert.fingerprint,
          alert.title,
        ]),
        'no alerts',
      );
      const muted = mutes.map(
        (mute) =>
          `muted: ${mute.pattern} until ${timeText(mute.until)} by ${mute.actor}${mute.reason ? `: ${mute.reason}` : ''}`,
      );
      return { json: { alerts, mutes }, text: [table, ...muted].join('\n') };
    },
  },
  {
    name: 'alerts mute',
    title: 'Silence the alerts of a fingerprint for a time; they are still recorded',
    args: [
      { name: 'fingerprint', description: 'as `alerts list` shows it; * stands for any text' },
      { name: 'span', description: 'for example "2 h"' },
    ],
    options: [{ flags: '--reason <text>', description: 'why' }],
    who: 'operator',
    danger: 'none',
    example: 'openclaw alerts mute health:disk "2 h" --reason "a big import"',
    run: async ({ db }, { args, options }) => {
      const { rows } = await db.query<{ until: Date }>(
        "select mute_alerts($1, $2 * interval '1 millisecond', $3) as until",
        [args[0], durationMs(String(args[1])), options.reason ?? null],
      );
      const { until } = rows[0]!;
      return { json: { pattern: args[0], until }, text: `${args[0]} is silent until ${timeText(until)}` };
    },
  },
  {
    name: 'alerts unmute',
    title: 'End a mute',
    args: [{ name: 'fingerprint', description: 'as it was muted' }],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ ended: boolean }>('select unmute_alerts($1) as ended', [args[0]]);
      if (!rows[0]!.ended)
        throw new OpenClawError('E_NOT_FOUND', `"${args[0]}" is not muted`, {
          remedy: 'openclaw alerts list',
          exitCode: EXIT.usage,
        });
      return { json: { pattern: args[0] }, text: `${args[0]} is heard again` };
    },
  },
  {
    name: 'alerts test',
    title: 'Send a test alert on both paths: the outbox, and shell and curl',
    who: 'operator',
    danger: 'none',
    withoutDatabase: true,
    run: async ({ db, config }) => {
      const { alertDirectly } = await import('../alerts/direct.ts');
      const title = 'a test, sent by hand';
      const body = 'If you read this, alerts reach you.';
      const outbox = await db
        .query(
          `with raised as materialized (select raise_alert('info', 'test', $1, $2, null, 'test') as id)
           select raised.id, record_act('alerts test', 'test', null, jsonb_build_object('alert', raised.id)) from raised`,
          [title, body],
        )
        .then(() =>
          db.query<{ state: string; reason: string | null; delivery: string | null; error: string | null }>(
            `select a.state, a.reason, o.state as delivery, o.error from ops_alerts a left join outbox o on o.id = a.message_id
             where a.kind = 'test' order by a.id desc limit 1`,
          ),
        )
        .then(({ rows }) => {
          const { state, reason, delivery, error } = rows[0]!;
          return state === 'sent' ? `message ${delivery}${error ? `: ${error}` : ''}` : `${state} (${reason})`;
        })
        .catch((error: Error) => `not possible: ${error.message}`);
      const direct = await alertDirectly(config, { severity: 'info', fingerprint: `test:${Date.now()}`, title, body });
      return { json: { outbox, direct }, text: `outbox       ${outbox}\nsecond path  ${direct}` };
    },
  },
];
