import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { isLoopback, outputOf, redisPolicy } from '../doctor/servers.ts';
import { messageOf } from '../errors/index.ts';
import { listeningSockets } from '../host/listeningSockets.ts';
import { connectRedis } from '../servers/index.ts';
import type { AuditCheck, AuditOutcome, AuditSeverity } from './types.ts';

const OUR_PORTS = new Map([
  [5432, 'Postgres'],
  [6379, 'Redis'],
  [8022, "Telegram's webhook"],
  [8501, 'the dashboard'],
  [20241, "cloudflared's metrics"],
]);
const DAY_MS = 86_400_000;
const TOKEN_DAYS = 180;
const SCORE_LIMIT = 1.5;

const finding = (severity: AuditSeverity, found: string, remedy: string) => ({ severity, found, remedy });

export const AUDIT_CHECKS: readonly AuditCheck[] = [
  {
    id: 'listeners',
    title: 'no server listens beyond loopback',
    look: async () => {
      const beyond = (await listeningSockets()).filter(
        ({ port, address }) => OUR_PORTS.has(port) && !isLoopback(address),
      );
      return {
        findings: beyond.map(({ address, port, process }) =>
          finding(
            'critical',
            `${OUR_PORTS.get(port)} listens on ${address}:${port}${process ? ` (${process})` : ''}`,
            'bind it to 127.0.0.1 (listen_addresses, bind), or close the port in the firewall',
          ),
        ),
      };
    },
  },
  {
    id: 'files',
    title: 'nobody else reads secrets or writes code',
    look: async ({ config }) => {
      const { layout, home, services } = config;
      const secrets = [
        layout.envFile,
        layout.credentials,
        path.join(home, 'config/google-credentials.json'),
        layout.backups,
        layout.run,
        layout.logs,
        services.github.sshKeyPath,
      ];
      const code = [home, layout.config, layout.tasks, layout.plans, layout.cron];
      const open = (file: string | undefined, bits: number) =>
        file !== undefined && existsSync(file) && (statSync(file).mode & bits) !== 0;
      const octal = (file: string) => (statSync(file).mode & 0o777).toString(8);
      const inside = existsSync(layout.credentials)
        ? readdirSync(layout.credentials).map((name) => path.join(layout.credentials, name))
        : [];
      return {
        findings: [
          ...[...secrets, ...inside]
            .filter((file) => open(file, 0o077))
            .map((file) => finding('critical', `${file} has mode ${octal(file!)}`, 'openclaw doctor --fix')),
          ...code
            .filter((file) => open(file, 0o022))
            .map((file) => finding('high', `others may write ${file} (mode ${octal(file)})`, 'openclaw doctor --fix')),
        ],
      };
    },
  },
  {
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
        ...(role.rolcreatedb
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
  },
  {
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
  },
  {
    id: 'redis',
    title: 'Redis asks for a password and throws nothing away',
    look: async ({ redis }) => {
      if (!redis) return { findings: [], note: 'Redis does not answer' };
      const policy = await redisPolicy(redis.url);
      const findings =
        policy !== undefined && policy !== 'noeviction'
          ? [finding('medium', `maxmemory-policy is ${policy}`, 'maxmemory-policy noeviction')]
          : [];
      if (await answersWithoutPassword(redis.url))
        findings.push(
          finding(
            'high',
            'Redis lets in without a password',
            'requirepass in redis.conf, the password in REDIS_URL; with units: openclaw install',
          ),
        );
      return { findings };
    },
  },
  {
    id: 'transport',
    title: 'servers elsewhere are reached by TLS',
    look: async ({ config }) => {
      const remote = (url: string | undefined) => {
        const parsed = url ? URL.parse(url.replace(/^([a-z]+:\/\/[^/?#]*@)\//, '$1localhost/')) : null;
        return parsed && parsed.hostname !== '' && !isLoopback(parsed.hostname) ? parsed : undefined;
      };
      const postgres = remote(config.databaseUrl);
      const redis = remote(config.redisUrl);
      return {
        findings: [
          ...(postgres && !/sslmode=(require|verify-)/.test(postgres.search)
            ? [finding('high', `Postgres on ${postgres.hostname} without TLS`, 'sslmode=verify-full in DATABASE_URL')]
            : []),
          ...(redis && redis.protocol !== 'rediss:'
            ? [finding('high', `Redis on ${redis.hostname} without TLS`, 'rediss:// in REDIS_URL')]
            : []),
        ],
      };
    },
  },
  {
    id: 'sshd',
    title: 'sshd lets in by key only',
    look: async () => {
      if (!existsSync('/usr/sbin/sshd')) return { findings: [], note: 'no sshd here' };
      if (process.getuid?.() !== 0)
        return { findings: [], note: 'only root can ask sshd for its configuration: sudo openclaw security audit' };
      const text = await outputOf('/usr/sbin/sshd', ['-T']).catch((error: unknown) => messageOf(error));
      const value = (key: string) => new RegExp(`^${key} (.*)$`, 'im').exec(text)?.[1];
      if (value('passwordauthentication') === undefined)
        return { findings: [], note: `sshd -T: ${text.split('\n')[0]}` };
      return {
        findings: [
          ...(value('passwordauthentication') === 'yes'
            ? [finding('high', 'sshd takes passwords', 'PasswordAuthentication no in /etc/ssh/sshd_config.d/')]
            : []),
          ...(value('permitrootlogin') === 'yes'
            ? [finding('high', 'root may log in with a password', 'PermitRootLogin prohibit-password')]
            : []),
          ...(value('permitemptypasswords') === 'yes'
            ? [finding('critical', 'sshd takes empty passwords', 'PermitEmptyPasswords no')]
            : []),
        ],
      };
    },
  },
  {
    id: 'tokens',
    title: 'keys are not older than half a year',
    look: async ({ config }) => {
      const files = [
        config.layout.envFile,
        ...(existsSync(config.layout.credentials)
          ? readdirSync(config.layout.credentials).map((name) => path.join(config.layout.credentials, name))
          : []),
      ];
      const old = files.filter(
        (file) =>
          existsSync(file) && lstatSync(file).isFile() && Date.now() - lstatSync(file).mtimeMs > TOKEN_DAYS * DAY_MS,
      );
      return {
        findings: old.map((file) =>
          finding(
            'low',
            `nothing in ${file} has changed for ${TOKEN_DAYS} days`,
            'make new keys at the providers, then: openclaw init',
          ),
        ),
      };
    },
  },
  {
    id: 'telegram',
    title: 'Telegram listens to the owner only',
    look: async ({ config }): Promise<AuditOutcome> => {
      const { token, allowedUserIds, webhookUrl, baseUrl } = config.services.telegram;
      if (!token) return { findings: [], note: 'no bot token' };
      const findings =
        allowedUserIds.length > 5
          ? [
              finding(
                'low',
                `${allowedUserIds.length} people may command the bot`,
                'TELEGRAM_ALLOWED_USER_IDS: only who must',
              ),
            ]
          : [];
      const response = await fetch(`${baseUrl}/bot${token}/getWebhookInfo`, {
        signal: AbortSignal.timeout(5000),
      }).catch(() => undefined);
      const info = (await response?.json().catch(() => undefined)) as { result?: { url?: string } } | undefined;
      const url = info?.result?.url ?? '';
      if (url && !webhookUrl)
        findings.push(
          finding(
            'high',
            `updates go to ${new URL(url).host}, which is not configured here`,
            'somebody else has the token: revoke it at @BotFather; docs/runbooks/key-leaked.md',
          ),
        );
      else if (url && webhookUrl && new URL(url).host !== new URL(webhookUrl).host)
        findings.push(
          finding(
            'high',
            `updates go to ${new URL(url).host}, configured is ${new URL(webhookUrl).host}`,
            'restart the gateway; if it stays so, revoke the token',
          ),
        );
      return { findings, ...(response ? {} : { note: 'Telegram was not reached: the webhook was not compared' }) };
    },
  },
  {
    id: 'account',
    title: 'it does not run as root',
    look: async ({ db }) => {
      if (!db) return { findings: [], note: 'Postgres does not answer' };
      const { rows } = await db.query<{ pid: number; pool: string }>(
        "select pid, pool from workers where state = 'live' and host = $1",
        [(await import('node:os')).default.hostname()],
      );
      const rooted = rows.filter(({ pid }) => existsSync(`/proc/${pid}`) && statSync(`/proc/${pid}`).uid === 0);
      return {
        findings:
          rooted.length > 0
            ? [
                finding(
                  'medium',
                  `workers run as root: ${rooted.map(({ pool, pid }) => `${pool} (pid ${pid})`).join(', ')}`,
                  'sudo openclaw install, which runs them as milkbot',
                ),
              ]
            : [],
      };
    },
  },
  {
    id: 'units',
    title: `each unit's exposure is ${SCORE_LIMIT} at most`,
    look: async () => {
      const folder = '/etc/systemd/system';
      const units = existsSync(folder)
        ? readdirSync(folder).filter((name) => /^(openclaw.*|cloudflared)\.service$/.test(name))
        : [];
      if (units.length === 0) return { findings: [], note: 'no units are installed' };
      if (!existsSync('/usr/bin/systemd-analyze')) return { findings: [], note: 'no systemd-analyze here' };
      const scores = await Promise.all(
        units.map(async (name) => {
          const text = await outputOf('systemd-analyze', [
            'security',
            '--offline=true',
            '--no-pager',
            path.join(folder, name),
          ]);
          return { name, score: Number(/exposure level for .*: ([\d.]+)/.exec(text)?.[1]) };
        }),
      );
      return {
        findings: scores
          .filter(({ score }) => !(score <= SCORE_LIMIT))
          .map(({ name, score }) =>
            finding('medium', `${name} has ${score}`, 'openclaw install --dry-run: was the unit edited?'),
          ),
      };
    },
  },
];

async function answersWithoutPassword(url: string): Promise<boolean> {
  const bare = url.replace(/\/\/[^@/]*@/, '//').replace(/([?&])password=[^&]*/, '$1');
  if (bare === url) return true;
  const client = connectRedis(bare, {
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    connectTimeout: 2000,
    lazyConnect: true,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.ping();
    return true;
  } catch {
    // Refused, which is what is wanted.
    return false;
  } finally {
    client.disconnect();
  }
}
