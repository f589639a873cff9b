import { existsSync } from 'node:fs';
import { isLoopback, outputOf } from '../../doctor/servers.ts';
import { messageOf } from '../../errors/index.ts';
import { listeningSockets } from '../../host/listeningSockets.ts';
import { finding } from '../finding.ts';
import type { AuditCheck } from '../types.ts';

const OUR_PORTS = new Map([
  [5432, 'Postgres'],
  [6379, 'Redis'],
  [8022, "Telegram's webhook"],
  [8501, 'the dashboard'],
  [20241, "cloudflared's metrics"],
]);

export const listeners: AuditCheck = {
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
};

export const transport: AuditCheck = {
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
};

export const sshd: AuditCheck = {
  id: 'sshd',
  title: 'sshd lets in by key only',
  look: async () => {
    if (!existsSync('/usr/sbin/sshd')) return { findings: [], note: 'no sshd here' };
    if (process.getuid?.() !== 0)
      return { findings: [], note: 'only root can ask sshd for its configuration: sudo openclaw security audit' };
    const text = await outputOf('/usr/sbin/sshd', ['-T']).catch((error: unknown) => messageOf(error));
    const value = (key: string) => new RegExp(`^${key} (.*)$`, 'im').exec(text)?.[1];
    if (value('passwordauthentication') === undefined) return { findings: [], note: `sshd -T: ${text.split('\n')[0]}` };
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
};
