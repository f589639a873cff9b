import { connectRedis, withoutPassword } from '../../servers/index.ts';
import { askRedis } from '../../servers/redisProbe.ts';
import { fail, pass, warn } from '../findings.ts';
import type { Check } from '../types.ts';

const ANSWER_LIMIT_MS = 1500;
const MEMORY_WARN = 0.9;

export const redis: Check = {
  id: 'redis',
  title: 'Redis',
  severity: 'warning',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 2,
  remedy:
    'systemctl restart redis-server (with units), or openclaw up --detach; until then everything runs, only slower',
  runbook: 'redis-gone',
  probe: async ({ redis: server, config }) => {
    const url = server?.url ?? config.redisUrl;
    if (!url) return fail('the private Redis does not answer');
    const answer = await askRedis(url, ANSWER_LIMIT_MS);
    if (answer.state !== 'ready') return fail(`${withoutPassword(url)}: ${answer.why}`);
    const memory = await memoryOf(url);
    if (!memory) return pass('answers PING; INFO is not allowed to us');
    if (memory.most > 0 && memory.used > memory.most * MEMORY_WARN)
      return warn(`uses ${Math.round((memory.used / memory.most) * 100)} % of its maxmemory`);
    if (memory.saved === 'err') return warn('answers, but its last save to disk failed');
    return pass(`answers PING, uses ${Math.round(memory.used / 1_048_576)} MB`);
  },
};

async function memoryOf(url: string) {
  const client = connectRedis(url, { retryStrategy: null, maxRetriesPerRequest: 0, connectTimeout: ANSWER_LIMIT_MS });
  // The command reports what breaks.
  client.on('error', () => undefined);
  try {
    const info = await client.info();
    const figure = (key: string) => new RegExp(`^${key}:(.*)$`, 'm').exec(info)?.[1]?.trim();
    return {
      used: Number(figure('used_memory')),
      most: Number(figure('maxmemory')),
      saved: figure('rdb_last_bgsave_status'),
    };
  } catch (error) {
    if (/^(NOPERM|ERR)\b/.test((error as Error).message)) return undefined;
    throw error;
  } finally {
    client.disconnect();
  }
}
