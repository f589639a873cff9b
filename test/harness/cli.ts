import { spawn } from 'node:child_process';
import path from 'node:path';
import { CODE_ROOT } from '../../lib/config/index.ts';

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `bin/openclaw` as a person's shell would, with nobody at its standard input. */
export function openclaw(args: readonly string[], env: Record<string, string>): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(CODE_ROOT, 'bin/openclaw'), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const result = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      result.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      result.stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...result }));
  });
}
