/** What a write answers where there is no room, or no more room for this user. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT']);

/**
 * A process that stays must not end because its output (`up` in the background, the crew) is a file on a disk that is full:
 * what it says is lost until there is room again, and what it does goes on.
 */
export function outliveFullDisk(streams: readonly NodeJS.WriteStream[] = [process.stdout, process.stderr]): void {
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!NO_ROOM.has(error.code ?? '')) throw error;
    });
  }
}
