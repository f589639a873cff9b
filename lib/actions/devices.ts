import { readFile } from 'node:fs/promises';
import { EXIT, messageOf, OpenClawError } from '../errors/index.ts';
import { textTable, timeText } from './table.ts';
import type { Action, ActionContext } from './types.ts';

interface DeviceRow {
  id: string;
  kind: string;
  name: string;
  subject: string;
  role: string;
  created_by: string;
  created_at: Date;
  last_seen_at: Date | null;
  revoked_at: Date | null;
}

export const deviceActions: readonly Action[] = [
  {
    name: 'devices add-key',
    title: 'Let an SSH key open the screen (openclaw dashboard)',
    args: [{ name: 'file', description: 'its public half, for example ~/.ssh/id_ed25519.pub' }],
    options: [
      { flags: '--role <role>', description: 'viewer looks, operator acts', choices: ['viewer', 'operator'] },
      { flags: '--name <name>', description: 'whose it is; every act is signed with it as ssh:<name>' },
    ],
    who: 'operator',
    danger: 'none',
    example: 'openclaw devices add-key ~/.ssh/id_ed25519.pub --role operator --name ada',
    run: async ({ db }, { args, options }) => {
      if (!options.role || !options.name)
        throw new OpenClawError('E_ARGUMENT', `${options.role ? '--name' : '--role'} is missing`, {
          expected: '--role viewer|operator --name <name>',
          exitCode: EXIT.usage,
        });
      const key = await readPublicKey(args[0] ?? '');
      const { rows } = await db.query<{ id: string }>(`select add_device('ssh', $1, $2, $3, $4) as id`, [
        options.name,
        key.fingerprint,
        options.role,
        key.text,
      ]);
      const id = `d${rows[0]!.id}`;
      return {
        json: { device: id, name: options.name, role: options.role, fingerprint: key.fingerprint },
        text: `${id}: ${options.name} (${options.role}), ${key.fingerprint}`,
      };
    },
  },
  {
    name: 'devices list',
    title: 'Who may reach this system from elsewhere: SSH keys and Telegram users',
    options: [{ flags: '--all', description: 'revoked ones too' }],
    who: 'viewer',
    danger: 'none',
    run: async ({ db }, { options }) => {
      const { rows } = await db.query<DeviceRow>(
        `select id, kind, name, subject, role, created_by, created_at, last_seen_at, revoked_at from ops_devices
         where $1 or revoked_at is null order by id`,
        [options.all === true],
      );
      return {
        json: rows,
        text: textTable(
          ['device', 'kind', 'name', 'role', 'last seen', 'added', 'by', 'proof', ''],
          rows.map((device) => [
            `d${device.id}`,
            device.kind,
            device.name,
            device.role,
            timeText(device.last_seen_at),
            timeText(device.created_at),
            device.created_by,
            device.subject,
            device.revoked_at ? `revoked ${timeText(device.revoked_at)}` : '',
          ]),
          'no devices; add one: openclaw devices add-key <file> --role viewer|operator --name <name>',
        ),
      };
    },
  },
  {
    name: 'devices revoke',
    title: 'Let a device in no more; its next command is refused',
    args: [{ name: 'device', description: 'its id (d3) or its name' }],
    who: 'operator',
    danger: 'confirm',
    run: async ({ db }, { args }) => {
      const device = await findDevice(db, args[0] ?? '');
      await db.query('select revoke_device($1)', [device.id]);
      return { json: { device: `d${device.id}`, revoked: true }, text: `d${device.id} (${device.name}) is revoked` };
    },
  },
];

async function findDevice(db: ActionContext['db'], given: string): Promise<{ id: string; name: string }> {
  const id = /^d(\d{1,18})$/.exec(given)?.[1] ?? null;
  const { rows } = await db.query<{ id: string; name: string }>(
    `select id, name from ops_devices where id = $1 or ($1::bigint is null and name = $2 and revoked_at is null)`,
    [id, given],
  );
  if (rows.length === 1) return rows[0]!;
  throw new OpenClawError('E_NOT_FOUND', `${rows.length === 0 ? 'no device' : 'more than one device'} is "${given}"`, {
    remedy: 'give its id: openclaw devices list',
  });
}

/** The first key of a file in OpenSSH's form. A private key is refused: only its public half leaves its owner. */
async function readPublicKey(file: string): Promise<{ text: string; fingerprint: string }> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    throw new OpenClawError('E_KEY_FILE', `${file || 'no file'} cannot be read: ${messageOf(error)}`, {
      exitCode: EXIT.usage,
    });
  }
  const { parsePublicKey } = await import('../devices/publicKey.ts');
  return parsePublicKey(content, file);
}
