import pg from 'pg';
import { messageOf } from '../../errors/index.ts';
import { finding } from '../finding.ts';
import type { AuditCheck } from '../types.ts';

export const roles: AuditCheck = {
  id: 'roles',
  title: 'database roles may no more than they should',
  look: async ({ db }) => {
    if (!db) return { findings: [], note: 'Postgres does not answer' };
    const { rows } = await db.query<{
      rolname: string;
      rolsuper: boolean;
      rolcreaterole: boolean;
      rolcreatedb: boolean;
      rolbypassrls: boolean;
      rolcanlogin: boolean;
    }>(
      "select rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolcanlogin from pg_roles where rolname = 'binaryrogue' or rolname like 'openclaw\\_%' or rolname = current_user",
    );
    const findings = rows.flatMap((role) => [
      ...(role.rolsuper
        ? [finding('critical', `${role.rolname} is a superuser`, `alter role ${role.rolname} nosuperuser`)]
        : []),
      ...(role.rolcreaterole
        ? [finding('high', `${role.rolname} may make roles`, `alter role ${role.rolname} nocreaterole`)]
        : []),
      ...(role.rolcreatedb && role.rolname !== 'openclaw_worker'
        ? [finding('low', `${role.rolname} may make databases`, `alter role ${role.rolname} nocreatedb`)]
        : []),
      ...(role.rolbypassrls && role.rolname !== 'openclaw_backup'
        ? [finding('high', `${role.rolname} passes row security`, `alter role ${role.rolname} nobypassrls`)]
        : []),
      ...(role.rolcanlogin && role.rolname === 'openclaw_owner'
        ? [finding('high', 'openclaw_owner can log in', 'alter role openclaw_owner nologin')]
        : []),
    ]);
    if (!rows.some(({ rolname }) => rolname === 'binaryrogue'))
      findings.push(
        finding(
          'medium',
          'the limited role binaryrogue does not exist: everything runs as one user',
          'let an administrator create the roles; see ARCHITECTURE.md',
        ),
      );
    const { rows: open } = await db.query<{ name: string }>(
      `select p.oid::regprocedure::text as name from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef and has_function_privilege('public', p.oid, 'execute')
         and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')`,
    );
    for (const { name } of open)
      findings.push(
        finding(
          'high',
          `anybody may run ${name} with its owner's rights`,
          `revoke execute on function ${name} from public`,
        ),
      );
    return { findings };
  },
};

export const passwords: AuditCheck = {
  id: 'passwords',
  title: 'every role that logs in over the network has a password',
  look: async ({ postgres }) => {
    if (!postgres) return { findings: [], note: 'Postgres does not answer' };
    const client = new pg.Client({
      connectionString: postgres.adminUrl,
      connectionTimeoutMillis: 3000,
      query_timeout: 3000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rows } = await client.query<{ bare: string[]; md5: string[]; trust: string[] }>(
        `select array(select rolname::text from pg_authid where rolcanlogin and rolpassword is null and rolname <> 'postgres') as bare,
                array(select rolname::text from pg_authid where rolcanlogin and rolpassword like 'md5%') as md5,
                array(select format('line %s: %s', line_number, address) from pg_hba_file_rules where auth_method = 'trust' and type like 'host%') as trust`,
      );
      const { bare, md5, trust } = rows[0]!;
      return {
        findings: [
          ...trust.map((line) =>
            finding(
              'critical',
              `pg_hba.conf lets anybody in without a password: ${line}`,
              'scram-sha-256 in its place, then: select pg_reload_conf()',
            ),
          ),
          ...bare
            .filter((name) => /^(binaryrogue|openclaw_)/.test(name))
            .map((name) => finding('high', `${name} has no password`, `\\password ${name} in psql`)),
          ...md5.map((name) =>
            finding(
              'medium',
              `${name} has an md5 password`,
              `set password_encryption = 'scram-sha-256', then \\password ${name}`,
            ),
          ),
        ],
      };
    } catch (error) {
      return { findings: [], note: `only a superuser sees this: ${messageOf(error)}` };
    } finally {
      void client.end().catch(() => undefined);
    }
  },
};
