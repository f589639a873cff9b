import { EXIT, OpenClawError } from '../errors/index.ts';
import { textTable, timeText } from './table.ts';
import type { Action } from './types.ts';

const CODE = { name: 'code', description: 'as the person was told it' };

/** Who asks to be let in on Telegram. Approved here, never in a chat. */
export const pairingActions: readonly Action[] = [
  {
    name: 'pair list',
    title: 'Who waits to be let in, and the groups that the bot is in',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows } = await db.query<{
        id: string;
        kind: string;
        subject: string;
        name: string;
        created_at: Date;
        expires_at: Date;
      }>(
        'select id, kind, subject, name, created_at, expires_at from ops_pairings where decided_at is null and expires_at > clock_now() order by id',
      );
      const { rows: groups } = await db.query<{ chat_id: string; title: string | null; listed: boolean }>(
        "select chat_id, title, listed from telegram_chats where kind in ('group', 'supergroup') order by chat_id",
      );
      const waiting = textTable(
        ['no', 'user', 'name', 'asked', 'until'],
        rows.map((row) => [row.id, row.subject, row.name, timeText(row.created_at), timeText(row.expires_at)]),
        'nobody waits',
      );
      const inGroups = textTable(
        ['group', 'title', 'answered'],
        groups.map((group) => [group.chat_id, group.title, group.listed ? 'yes' : 'no']),
      );
      return { json: { waiting: rows, groups }, text: groups.length > 0 ? `${waiting}\n\n${inGroups}` : waiting };
    },
  },
  {
    name: 'pair approve',
    title: 'Let in whoever was given this code',
    args: [CODE],
    options: [
      {
        flags: '--role <role>',
        description: 'the first is the owner unless said otherwise, later ones operators',
        choices: ['viewer', 'operator', 'owner'],
      },
      { flags: '--name <name>', description: 'what to call the device' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw pair approve ABCD-2345',
    run: async ({ db }, { args, options }) => {
      const { rows } = await db.query<{ id: string; name: string; role: string; subject: string }>(
        'with made as materialized (select approve_pairing($1, $2, $3) as id) select id from made',
        [args[0], options.role ?? null, options.name ?? null],
      );
      const { rows: devices } = await db.query<{ name: string; role: string; subject: string }>(
        'select name, role, subject from ops_devices where id = $1',
        [rows[0]!.id],
      );
      const device = devices[0]!;
      return {
        json: { device: `d${rows[0]!.id}`, ...device },
        text: `${device.name} (Telegram user ${device.subject}) is paired as ${device.role}: d${rows[0]!.id}`,
      };
    },
  },
  {
    name: 'pair reject',
    title: 'Turn down whoever was given this code',
    args: [{ name: 'code', description: 'the code, or the number of `pair list`' }],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ id: string }>('select reject_pairing($1) as id', [args[0]]);
      return { json: { pairing: rows[0]!.id, outcome: 'rejected' }, text: `pairing ${rows[0]!.id} is turned down` };
    },
  },
  {
    name: 'pair group',
    title: 'Answer in a group, to paired people who mention the bot; or no more',
    args: [{ name: 'chat', description: 'the number of the group: openclaw pair list' }],
    options: [{ flags: '--off', description: 'answer there no more' }],
    who: 'operator',
    danger: 'none',
    run: async ({ db }, { args, options }) => {
      if (!/^-\d{1,18}$/.test(args[0] ?? ''))
        throw new OpenClawError('E_ARGUMENT', `"${args[0]}" is not the number of a group`, {
          expected: 'a number that begins with -: openclaw pair list',
          exitCode: EXIT.usage,
        });
      const { rows } = await db.query<{ title: string | null }>(
        `with before as (select listed from telegram_chats where chat_id = $1),
              changed as (update telegram_chats set listed = $2 where chat_id = $1 and kind <> 'private' returning title)
         select title, record_act('pair group', 'chat ' || $1::text, jsonb_build_object('listed', (select listed from before)), jsonb_build_object('listed', $2::boolean)) from changed`,
        [args[0], options.off !== true],
      );
      if (!rows[0])
        throw new OpenClawError('E_NOT_FOUND', `the bot has not met the group ${args[0]}`, {
          remedy: 'add the bot to the group, then: openclaw pair list',
        });
      return {
        json: { chat: args[0], listed: options.off !== true },
        text: `${rows[0].title ?? args[0]}: ${options.off === true ? 'not answered any more' : 'answered when a paired person mentions the bot'}`,
      };
    },
  },
  {
    name: 'route explain',
    title: 'Where a message would go, and by which rule',
    args: [{ name: 'text', description: 'what somebody might write' }],
    who: 'viewer',
    danger: 'none',
    example: 'openclaw route explain "research solar inverters"',
    run: async ({ db }, { args }) => {
      const { rows } = await db.query<{ name: string; target: string; pattern: string }>(
        'select * from route_message($1)',
        [args[0]],
      );
      const route = rows[0];
      if (!route) return { json: null, text: 'no route matches: it is refused' };
      return {
        json: route,
        text: `${route.target}, by rule "${route.name}" (${route.pattern === '' ? 'everything else' : route.pattern})`,
      };
    },
  },
  {
    name: 'route list',
    title: 'The rules of the router, in order',
    who: 'viewer',
    danger: 'none',
    run: async ({ db }) => {
      const { rows } = await db.query<{
        position: number;
        name: string;
        pattern: string;
        target: string;
        enabled: boolean;
        description: string;
      }>('select position, name, pattern, target, enabled, description from ops_routes order by position');
      return {
        json: rows,
        text: textTable(
          ['at', 'rule', 'pattern', 'to', 'why'],
          rows.map((row) => [
            row.position,
            row.enabled ? row.name : `${row.name} (off)`,
            row.pattern,
            row.target,
            row.description,
          ]),
        ),
      };
    },
  },
];
