import { layoutOf } from '../../../lib/config/layout.ts';
import { ensureServers } from '../../../lib/servers/index.ts';

// Run by tests as a process to be killed: it starts the servers of a home and stays.

const { postgres, redis } = await ensureServers({
  layout: layoutOf(process.argv[2]!),
  durable: false,
  onProgress: (line) => console.log(line),
});
console.log(`pids ${postgres.pid} ${redis.pid}`);
setInterval(() => {}, 1_000);
