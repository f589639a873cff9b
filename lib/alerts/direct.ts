import { spawn } from 'node:child_process';
import path from 'node:path';
import { CODE_ROOT, type Config } from '../config/index.ts';

export interface DirectAlert {
  readonly severity: string;
  readonly fingerprint: string;
  readonly title: string;
  readonly body: string;
  readonly runbook?: string;
}

const LIMIT_MS = 60_000;

/**
 * The second path: a shell script with curl that needs neither this process nor Postgres, so that what is tried here is
 * what the alert@ unit runs. Limits itself by files. @returns what it says: `sent by telegram`, `nobody to tell` …
 */
export function alertDirectly(config: Config, alert: DirectAlert): Promise<string> {
  const text = [alert.body, ...(alert.runbook ? [`Runbook: docs/runbooks/${alert.runbook}.md`] : [])].join('\n');
  return new Promise((resolve) => {
    const child = spawn(
      path.join(CODE_ROOT, 'systemd/openclaw-alert'),
      [alert.severity, alert.fingerprint, alert.title],
      {
        env: { ...process.env, OPENCLAW_HOME: config.home },
        stdio: ['pipe', 'ignore', 'pipe'],
        timeout: LIMIT_MS,
      },
    );
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
    });
    child.once('error', (error) => resolve(`the second path could not be started: ${error.message}`));
    child.once('close', (code) => resolve(said.trim().split('\n').at(-1) || `exit ${code}`));
    // It may end before it has read everything.
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
  });
}
