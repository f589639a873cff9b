import { existsSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors/index.ts';
import { type DebianPackages, hasDebianTools, libraryPathOf, unpackedFolder } from './debianPackages.ts';
import { missingServer, thisSystem } from './installAdvice.ts';
import { inspectRedis, installedRedis, type RedisPrograms, redisIn } from './redisPrograms.ts';
import type { StartContext } from './startContext.ts';

/** Installed before unpacked. */
export async function chooseRedis(context: StartContext, packages: DebianPackages): Promise<RedisPrograms> {
  const tried: string[] = [];
  if (context.allowInstalled) {
    const { usable, rejected } = await installedRedis(context.account);
    if (usable) return usable;
    tried.push(...rejected);
  }
  if (!hasDebianTools()) throw missingServer('redis', thisSystem(), tried);
  try {
    return await unpackedRedis(context, packages);
  } catch (error) {
    context.signal?.throwIfAborted();
    throw missingServer('redis', thisSystem(), [...tried, `the distribution's packages: ${messageOf(error)}`], error);
  }
}

async function unpackedRedis(context: StartContext, packages: DebianPackages): Promise<RedisPrograms> {
  const inspect = (root: string) => {
    const program = redisIn(path.join(root, 'usr/bin'));
    if (!program) throw new Error('the unpacked packages hold no server');
    return inspectRedis(program, 'unpacked', libraryPathOf(root), context.account);
  };
  const kept = unpackedFolder(context.path, 'redis');
  if (existsSync(kept)) {
    try {
      return await inspect(kept);
    } catch (error) {
      context.progress(`The unpacked Redis cannot be run any more and is unpacked anew (${messageOf(error)})`);
    }
  }
  const choices = [
    ['redis-server', 'redis-tools'],
    ['valkey-server', 'valkey-tools'],
  ];
  return inspect(await packages.unpack('redis', choices, inspect));
}
