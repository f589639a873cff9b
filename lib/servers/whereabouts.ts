import { OpenClawError } from '../errors/index.ts';
import { postgresUrl } from './endpoint.ts';
import { findServersFolder, type ServersFolder } from './folder.ts';
import { readLaunched } from './launched.ts';
import { type Passwords, readPasswords } from './passwords.ts';
import { dataFolder, findPostmaster, type Postmaster } from './postmaster.ts';
import { redisIn } from './redisPlace.ts';
import type { PostgresServer, RedisServer, ServersOptions } from './types.ts';

/** Where to connect to, and no more. */
export interface Whereabouts {
  postgres?: Pick<PostgresServer, 'origin' | 'urlFor'>;
  redis?: Pick<RedisServer, 'origin' | 'url'>;
}

/**
 * Where the servers of this home are, without asking whether they answer: for whoever connects at once and notices itself.
 * A private server that does not run is absent.
 */
export function whereabouts({ layout, databaseUrl, redisUrl: configured }: ServersOptions): Whereabouts {
  const folder = databaseUrl && configured ? null : findServersFolder(layout);
  const postgres = databaseUrl
    ? ({ origin: 'configured', urlFor: () => databaseUrl } as const)
    : folder && postgresIn(folder);
  const redis = configured ? ({ origin: 'configured', url: configured } as const) : folder && redisIn(folder);
  return { ...(postgres && { postgres }), ...(redis && { redis }) };
}

function postgresIn(folder: ServersFolder): Whereabouts['postgres'] | null {
  const postmaster = findPostmaster(dataFolder(folder.path));
  if (!postmaster?.endpoint) return null;
  return {
    origin: readLaunched(folder.path, 'postgres')?.origin ?? 'installed',
    urlFor: postgresUrls(postmaster, readPasswords(folder.path)),
  };
}

export function postgresUrls({ endpoint }: Postmaster, passwords: Passwords): PostgresServer['urlFor'] {
  return (role, database = 'openclaw') => {
    const password = passwords[role];
    if (!password)
      throw new OpenClawError('E_NO_PASSWORD', 'the private Postgres has no password for this role', { value: role });
    return postgresUrl(endpoint!, role, password, database);
  };
}
