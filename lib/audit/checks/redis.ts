import { redisPolicy } from '../../doctor/servers.ts';
import { connectRedis } from '../../servers/index.ts';
import { finding } from '../finding.ts';
import type { AuditCheck } from '../types.ts';

export const redis: AuditCheck = {
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
};

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
