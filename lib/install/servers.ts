import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { LOGIN_ROLES, OWNER } from '../db/index.ts';
import { scramVerifier } from '../db/roles.ts';
import { HOME, modeOf, type Owner, ROOT, readText, writeAs } from './files.ts';
import { type Host, must } from './host.ts';
import type { Step } from './steps.ts';

const ENV_FILE = `${HOME}/config/.env`;
const ROLES_FILE = `${HOME}/.openclaw/credentials/postgres-roles`;
const REDIS_CONF = '/etc/redis/redis.conf';
const REDIS_OURS = '/etc/redis/openclaw.conf';

const newPassword = () => randomBytes(24).toString('base64url');

export function envOf(host: Host): Record<string, string | undefined> {
  return parseEnv(readText(host.at(ENV_FILE)) ?? '');
}

/** Keys are added to .env; one that is there is the operator's and stays. */
export function addToEnv(host: Host, values: Record<string, string>, owner: Owner): void {
  const text = readText(host.at(ENV_FILE)) ?? '';
  const had = parseEnv(text);
  const lines = Object.entries(values).flatMap(([key, value]) => (had[key] ? [] : [`${key}=${value}`]));
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  writeAs(host.at(ENV_FILE), `${text}${separator}${lines.map((line) => `${line}\n`).join('')}`, 0o600, owner);
}

/**
 * Roles, passwords and the database on the distribution's server, by its superuser over the local socket. Only verifiers are
 * sent: a statement's text is kept in logs.
 */
export function postgresStep(host: Host, owner: () => Owner): Step {
  return {
    title: 'Postgres: roles, passwords, database',
    missing: async () => {
      const url = envOf(host).DATABASE_URL;
      if (url && !url.includes('@127.0.0.1:5432/openclaw')) return [];
      const lines = url ? [] : ['DATABASE_URL in config/.env'];
      if (!existsSync(host.at('/usr/bin/psql')))
        return [...lines, `roles ${[OWNER, ...LOGIN_ROLES].join(', ')}, database openclaw`];
      const there = await withPostgres(host, async () => {
        const sql = `select rolname from pg_roles union all select 'database:' || datname from pg_database`;
        return (await asSuperuser(host, sql)).split('\n');
      });
      const roles = [OWNER, ...LOGIN_ROLES].filter((role) => !there.includes(role));
      if (roles.length > 0) lines.push(`roles ${roles.join(', ')}`);
      if (!there.includes('database:openclaw')) lines.push('database openclaw');
      return lines;
    },
    make: async () => {
      const passwords = Object.fromEntries(LOGIN_ROLES.map((role) => [role, newPassword()]));
      const roles = LOGIN_ROLES.map(
        (role) => `alter role ${role} login password '${scramVerifier(passwords[role]!)}';`,
      );
      await withPostgres(host, async () => {
        const exists = (await asSuperuser(host, "select 1 from pg_database where datname = 'openclaw'")).trim() === '1';
        const create = [OWNER, ...LOGIN_ROLES].map(
          (role) =>
            `do $$ begin create role ${role} ${role === OWNER ? 'nologin' : 'login'}; exception when duplicate_object then null; end $$;`,
        );
        await asSuperuser(
          host,
          [...create, ...roles, `grant ${OWNER} to openclaw_worker; grant openclaw_tui to openclaw_worker;`].join('\n'),
        );
        if (!exists) await asSuperuser(host, `create database openclaw owner ${OWNER}`);
        await asSuperuser(
          host,
          `revoke all on database openclaw from public;
           grant connect on database openclaw to ${LOGIN_ROLES.join(', ')};
           grant create on database openclaw to ${OWNER};
           revoke create on schema public from public; grant all on schema public to ${OWNER};
           -- The weekly drill restores into a scratch database of its own.
           alter role openclaw_worker createdb;
           grant pg_read_all_data to openclaw_backup; alter role openclaw_backup bypassrls;
           grant pg_read_all_stats to ${OWNER};
           create schema if not exists extensions; grant usage on schema extensions to openclaw_tui, openclaw_worker;`,
          'openclaw',
        );
      });
      // The worker's password is in the configuration; those of the other roles are for people and scripts, and are kept apart.
      writeAs(host.at(ROLES_FILE), LOGIN_ROLES.map((role) => `${role}=${passwords[role]}\n`).join(''), 0o600, owner());
      // Its old value, if there was one, does not fit any more.
      const text = (readText(host.at(ENV_FILE)) ?? '').replace(/^DATABASE_URL=.*\n?/m, '');
      writeAs(host.at(ENV_FILE), text, 0o600, owner());
      addToEnv(
        host,
        { DATABASE_URL: `postgres://openclaw_worker:${passwords.openclaw_worker}@127.0.0.1:5432/openclaw` },
        owner(),
      );
    },
  };
}

function asSuperuser(host: Host, sql: string, database = 'postgres'): Promise<string> {
  return must(host, 'psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', database, '-f', '-'], {
    input: sql,
    user: 'postgres',
  });
}

/** On a live machine it runs; below a root it is started for as long as it is needed. */
async function withPostgres<T>(host: Host, work: () => Promise<T>): Promise<T> {
  if (host.live) {
    await must(host, 'systemctl', ['start', 'postgresql']);
    return work();
  }
  const version = clusterVersion(host);
  const running = (await host.run('pg_ctlcluster', [version, 'main', 'status'])).code === 0;
  if (!running) await must(host, 'pg_ctlcluster', [version, 'main', 'start']);
  try {
    return await work();
  } finally {
    if (!running) await must(host, 'pg_ctlcluster', [version, 'main', 'stop']);
  }
}

function clusterVersion(host: Host): string {
  const folder = host.at('/etc/postgresql');
  const versions = existsSync(folder)
    ? readdirSync(folder).filter((name) => existsSync(path.join(folder, name, 'main')))
    : [];
  return versions.sort((a, b) => Number(b) - Number(a))[0] ?? '15';
}

/** A password, loopback only, and never a key thrown away: what is in Redis is rebuilt, but not by surprise. */
export function redisStep(host: Host, owner: () => Owner): Step {
  const include = `include ${REDIS_OURS}`;
  return {
    title: 'Redis: password, noeviction, loopback',
    missing: async () => {
      const url = envOf(host).REDIS_URL;
      if (url && !url.includes('@127.0.0.1:6379')) return [];
      const lines = url ? [] : ['REDIS_URL in config/.env'];
      if (!(readText(host.at(REDIS_CONF)) ?? '').split('\n').includes(include)) lines.push(`${REDIS_CONF}: ${include}`);
      if (readText(host.at(REDIS_OURS)) === undefined)
        lines.push(`${REDIS_OURS}: maxmemory-policy noeviction, requirepass, bind 127.0.0.1`);
      else if (modeOf(host.at(REDIS_OURS)) !== 0o640) lines.push(`${REDIS_OURS}: mode 640`);
      return lines;
    },
    make: async () => {
      const had = /:([^@]+)@127/.exec(envOf(host).REDIS_URL ?? '')?.[1];
      const password = had ?? newPassword();
      const { gid } = groupOf(host, 'redis') ?? ROOT;
      const text = `# Written by \`openclaw install\`.\nbind 127.0.0.1 -::1\nprotected-mode yes\nmaxmemory-policy noeviction\nrequirepass ${password}\n`;
      writeAs(host.at(REDIS_OURS), text, 0o640, { uid: 0, gid });
      const conf = readText(host.at(REDIS_CONF)) ?? '';
      if (!conf.split('\n').includes(include))
        writeAs(host.at(REDIS_CONF), `${conf.replace(/\n*$/, '\n')}${include}\n`, 0o640, { uid: 0, gid });
      addToEnv(host, { REDIS_URL: `redis://:${password}@127.0.0.1:6379` }, owner());
      if (host.live) await must(host, 'systemctl', ['restart', 'redis-server']);
    },
  };
}

function groupOf(host: Host, name: string): Owner | undefined {
  const line = (readText(host.at('/etc/group')) ?? '').split('\n').find((entry) => entry.startsWith(`${name}:`));
  const gid = line?.split(':')[2];
  return gid ? { uid: 0, gid: Number(gid) } : undefined;
}
