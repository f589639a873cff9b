import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type BackupRun, runBackup } from '../../../lib/backup/index.ts';
import { type Config, loadConfig } from '../../../lib/config/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import type { TestDatabase } from '../../harness/database.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

export interface BackupHome {
  readonly env: Record<string, string>;
  readonly config: Config;
  write(file: string, content: string | Buffer, mode?: number): string;
  backup(): Promise<BackupRun>;
}

/** A home with something of everything in it, on a test's database. */
export function backupHome(database: TestDatabase, extra: Record<string, string> = {}): BackupHome {
  const { home } = temporaryHome();
  const write = (name: string, content: string | Buffer, mode = 0o600) => {
    const file = path.join(home, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
    return file;
  };
  write('workspace/note.md', '# A note\n');
  write('workspace/memory/fact.md', 'the sky is blue\n');
  write('.openclaw/agents/scout.yaml', 'name: scout\n');
  write('.openclaw/credentials/kept.json', '{"never":"archived"}');
  write('tasks/mine.ts', 'export default async () => 1;\n');
  write('uploads/ab/abcdef', 'an upload');
  write('config/providers/one.yaml', 'order: [a, b]\napi_key: "sk-canary-0123456789abcdef0123"\n');
  write('config/google-credentials.json', '{"private_key":"canary"}');
  write('config/.env', 'BRAVE_API_KEY=canary-brave-key-1\nOPENCLAW_LOG_LEVEL=warn\n');
  const env = {
    PATH: process.env.PATH ?? '',
    OPENCLAW_HOME: home,
    DATABASE_URL: database.urlFor('openclaw_worker'),
    // The role that may read every row; so a test backs up as a private server's run does.
    DATABASE_ADMIN_URL: database.urlFor('openclaw_backup'),
    ...extra,
  };
  const config = loadConfig({ env });
  const log = createLogger({ name: 'test', level: 'silent' });
  const backup = () => runBackup({ config, db: database.pool, log, signal: new AbortController().signal });
  return { env, config, write, backup };
}
