import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.ts';

/** GitHub's own, as it publishes them (SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU and SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM). */
const GITHUB = `github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl
github.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=
`;

/** The only host keys that a push believes: never "trust on first use". */
export function knownHosts({ layout, services: { github } }: Config): string {
  if (github.knownHostsPath) return github.knownHostsPath;
  const file = path.join(layout.run, 'known_hosts');
  mkdirSync(layout.run, { recursive: true, mode: 0o700 });
  writeFileSync(file, GITHUB, { mode: 0o600 });
  return file;
}

/** ssh with this key, these hosts, and nothing of the user's own setup. */
export function sshCommand(config: Config, keyFile: string): string {
  const options = [
    '-F',
    '/dev/null',
    '-i',
    keyFile,
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'BatchMode=yes',
    '-o',
    'StrictHostKeyChecking=yes',
    '-o',
    `UserKnownHostsFile=${knownHosts(config)}`,
    '-o',
    'GlobalKnownHostsFile=/dev/null',
    '-o',
    'ConnectTimeout=20',
  ];
  return ['ssh', ...options].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}
