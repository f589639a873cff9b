import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type pg from 'pg';

/**
 * The roles of a database of ours. openclaw_owner cannot log in and owns everything; openclaw_worker is a member of it;
 * binaryrogue is what people and scripts use; openclaw_tui reads; openclaw_backup dumps.
 */
export const OWNER = 'openclaw_owner';
export const LOGIN_ROLES = ['openclaw_worker', 'binaryrogue', 'openclaw_tui', 'openclaw_backup'] as const;

export interface RolesResult {
  /** Whether the roles exist and are used; false: everything runs as the one configured user. */
  separate: boolean;
  notice?: string;
}

/** Makes the roles, or says why the one configured user does everything. Twice at once is safe. */
export async function provisionRoles(
  client: pg.Client,
  password: (role: string) => string | undefined,
  wanted: readonly string[] = [OWNER, ...LOGIN_ROLES],
): Promise<RolesResult> {
  const { rows } = await client.query<{ superuser: boolean; createrole: boolean; member: boolean; existing: string[] }>(
    `select rolsuper as superuser, rolcreaterole as createrole,
            coalesce((select pg_has_role(current_user, oid, 'member') from pg_roles where rolname = '${OWNER}'), false) as member,
            array(select rolname::text from pg_roles where rolname = any ($1)) as existing
     from pg_roles where rolname = current_user`,
    [wanted],
  );
  const me = rows[0]!;
  const missing = wanted.filter((role) => !me.existing.includes(role));
  if (!me.superuser && !me.createrole && (missing.length > 0 || !me.member)) {
    return {
      separate: false,
      notice:
        `the configured database user may not create roles (${missing.length > 0 ? `${missing.join(', ')} missing` : `it is no member of ${OWNER}`}): ` +
        'everything runs as that one user, without the limits of binaryrogue and openclaw_tui; an administrator can ' +
        `create the roles, grant ${OWNER} to this user, and run \`openclaw up\` again`,
    };
  }
  for (const role of missing) {
    // Two first starts at once: the second finds the role there (duplicate_object, or unique_violation in a race).
    await client.query(
      `do $$ begin create role ${role} ${role === OWNER ? 'nologin' : 'login'}; exception when duplicate_object or unique_violation then null; end $$`,
    );
  }
  if (me.superuser || me.createrole) {
    await client.query(`grant ${OWNER} to openclaw_worker`);
    if (!me.superuser) await client.query(`grant ${OWNER}, openclaw_tui to current_user`);
    for (const role of LOGIN_ROLES) {
      const secret = password(role);
      if (secret) await client.query(`alter role ${role} password ${client.escapeLiteral(scramVerifier(secret))}`);
    }
  }
  if (me.superuser) {
    await client.query(
      `revoke pg_read_all_stats from openclaw_tui; grant pg_read_all_stats to ${OWNER}; grant pg_read_all_data to openclaw_backup; alter role openclaw_backup bypassrls`,
    );
  }
  return { separate: true };
}

const SCRAM_ITERATIONS = 4096;

/**
 * What Postgres stores of a password (RFC 5802, as `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`). It is sent in place of
 * the password, because a statement's text is kept: in the server's log, in pg_stat_statements, in pg_stat_activity.
 */
export function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, SCRAM_ITERATIONS, 32, 'sha256');
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${SCRAM_ITERATIONS}:${salt.toString('base64')}$${storedKey}:${keyOf('Server Key').toString('base64')}`;
}
