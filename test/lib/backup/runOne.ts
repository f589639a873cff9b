import { runBackup } from '../../../lib/backup/index.ts';
import { loadConfig } from '../../../lib/config/index.ts';
import { createPool } from '../../../lib/db/index.ts';
import { createLogger } from '../../../lib/log/index.ts';

// A process of its own that makes a backup and is killed, as by SIGKILL from outside, right after the stage named.
const [killAfter] = process.argv.slice(2);
const config = loadConfig();
const db = createPool(config.databaseUrl!, { name: 'test:backup', max: 2 });
await runBackup({
  config,
  db,
  log: createLogger({ name: 'test', level: 'silent' }),
  signal: new AbortController().signal,
  onStage: (stage) => {
    if (stage === killAfter) process.kill(process.pid, 'SIGKILL');
  },
});
await db.end();
