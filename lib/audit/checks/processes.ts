import { existsSync, readdirSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { outputOf } from '../../doctor/servers.ts';
import { finding } from '../finding.ts';
import type { AuditCheck } from '../types.ts';

const SCORE_LIMIT = 1.5;

export const account: AuditCheck = {
  id: 'account',
  title: 'it does not run as root',
  look: async ({ db }) => {
    if (!db) return { findings: [], note: 'Postgres does not answer' };
    const { rows } = await db.query<{ pid: number; pool: string }>(
      "select pid, pool from workers where state = 'live' and host = $1",
      [os.hostname()],
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
};

export const units: AuditCheck = {
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
};
