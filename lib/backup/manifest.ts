import { z } from 'zod';

/** What an archive says of itself; its last entry, because only then it is known what was really read. */
export const Manifest = z.object({
  format: z.literal(1),
  name: z.string(),
  host: z.string(),
  /** Whose state the dump and the counts are, both of one snapshot. */
  snapshotAt: z.string(),
  versions: z.object({
    openclaw: z.string(),
    node: z.string(),
    postgres: z.string(),
    pgDump: z.string(),
    schema: z.number(),
  }),
  database: z.string(),
  /** Rows by `schema.table`, partitions each for itself. */
  tables: z.record(z.string(), z.number()),
  files: z.array(z.object({ path: z.string(), size: z.number(), sha256: z.string() })),
  links: z.array(z.object({ path: z.string(), target: z.string() })),
  /** Could not be read: the archive is partial. */
  unreadable: z.array(z.string()),
  /** Was written to whenever it was read, three times; what stands here is one of these readings. */
  changing: z.array(z.string()),
  /** Left out on purpose: secrets, sockets, uploads beyond the limit. */
  leftOut: z.array(z.object({ path: z.string(), why: z.string() })),
});
export type Manifest = z.output<typeof Manifest>;

export const MANIFEST_ENTRY = 'manifest.json';
export const DUMP_ENTRY = 'database.dump';
