import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Queryable } from '../db/index.ts';
import { messageOf } from '../errors/index.ts';
import { scrub } from '../log/index.ts';
import { writeNote } from '../workspace/index.ts';

/**
 * The mirror of ops_memory in `workspace/memory/<kind>/<id>.md`.
 *
 *   file as we left it (its hash is mirror_hash)   the row's text goes there when it has changed
 *   file edited by hand                            its text goes into the row; the file stays as it is
 *   file gone, its folder there                    the operator forgot it: the row goes
 *   file without a row                             written by hand: becomes a row
 */
export interface MirrorResult {
  written: number;
  readBack: number;
  added: number;
  forgotten: number;
  faults: { file: string; message: string }[];
}

interface Row {
  id: string;
  kind: string;
  text: string;
  mirror_hash: string | null;
}

const FOLDER = 'memory';
const LIMIT = 5000;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const nameOf = ({ kind, id }: Pick<Row, 'kind' | 'id'>) => `${FOLDER}/${kind}/${id}.md`;

/** Brings rows and files together, once. Nothing that a person wrote is overwritten. */
export async function mirrorMemory(db: Queryable, workspace: string, signal?: AbortSignal): Promise<MirrorResult> {
  const { rows } = await db.query<Row>(
    'select id, kind, text, mirror_hash from ops_memory where superseded_by is null order by id desc limit $1',
    [LIMIT],
  );
  const files = await notesIn(path.join(workspace, FOLDER));
  const result: MirrorResult = { written: 0, readBack: 0, added: 0, forgotten: 0, faults: [] };
  const mirrored = rows.filter((row) => row.mirror_hash !== null);
  const missing = mirrored.filter((row) => !files.has(nameOf(row)));
  // A workspace that was lost or moved is no wish to forget.
  const forgetting = missing.length > 0 && missing.length * 2 <= mirrored.length;
  for (const row of rows) {
    signal?.throwIfAborted();
    const file = nameOf(row);
    const there = files.get(file);
    files.delete(file);
    try {
      if (there === undefined && row.mirror_hash !== null && forgetting) {
        await db.query('select forget_memory($1)', [row.id]);
        result.forgotten++;
      } else if (there !== undefined && row.mirror_hash !== sha256(there) && sha256(there) !== sha256(bodyOf(row))) {
        await readBack(db, row, there);
        result.readBack++;
      } else if (there === undefined || there !== bodyOf(row)) {
        await writeNote({ root: workspace, path: file, content: bodyOf(row), mode: 'replace' });
        result.written++;
        await db.query('update ops_memory set mirror_hash = $2 where id = $1', [row.id, sha256(bodyOf(row))]);
      } else if (row.mirror_hash === null) {
        await db.query('update ops_memory set mirror_hash = $2 where id = $1', [row.id, sha256(there)]);
      }
    } catch (error) {
      result.faults.push({ file, message: messageOf(error) });
    }
  }
  await takeIn(db, workspace, files, result);
  return result;
}

const bodyOf = (row: Row): string => `${scrub(row.text)}\n`;

/** What a person wrote stays as it is, in the file; into a row, or a further file, no secret goes. */
function refuseSecrets(text: string): void {
  if (scrub(text) !== text) throw new Error('it holds what looks like a secret; nothing of it was taken in');
}

async function readBack(db: Queryable, row: Row, text: string): Promise<void> {
  refuseSecrets(text);
  const { rowCount } = await db.query(
    `update ops_memory set text = btrim($2, E' \\n\\t'), confidence = 1, pinned = true, untrusted = false, mirror_hash = $3, updated_at = clock_now()
     where id = $1 and length(btrim($2, E' \\n\\t')) between 1 and 8000`,
    [row.id, text, sha256(text)],
  );
  if (!rowCount) throw new Error('it is empty or longer than 8000 characters; the row stays as it was');
  await db.query("select record_act('memory edit', 'memory ' || $1, jsonb_build_object('text', left($2, 500)), null)", [
    row.id,
    row.text,
  ]);
}

/** Files that no row has: an operator's own. The file of a row that was pruned or superseded is ours, and goes. */
async function takeIn(db: Queryable, workspace: string, files: Map<string, string>, result: MirrorResult) {
  for (const [file, text] of files) {
    const [, kind = '', name = ''] = file.split('/');
    try {
      if (/^\d+\.md$/.test(name)) {
        await rm(path.join(workspace, file), { force: true });
        continue;
      }
      refuseSecrets(text);
      const { rows } = await db.query<{ id: string }>(
        'select remember($1, $2, confidence => 1, provenance => $3) as id',
        [kind, text, JSON.stringify({ file })],
      );
      await db.query('update ops_memory set pinned = true where id = $1', [rows[0]!.id]);
      await writeNote({ root: workspace, path: `${FOLDER}/${kind}/${rows[0]!.id}.md`, content: text, mode: 'replace' });
      await db.query('update ops_memory set mirror_hash = $2 where id = $1', [rows[0]!.id, sha256(text)]);
      await rm(path.join(workspace, file), { force: true });
      result.added++;
    } catch (error) {
      result.faults.push({ file, message: messageOf(error) });
    }
  }
}

/** Every `memory/<kind>/*.md` with its text. */
async function notesIn(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  for (const entry of entries) {
    const folder = path.relative(root, entry.parentPath);
    if (!entry.isFile() || !entry.name.endsWith('.md') || folder === '' || folder.includes(path.sep)) continue;
    found.set(`${FOLDER}/${folder}/${entry.name}`, await readFile(path.join(entry.parentPath, entry.name), 'utf8'));
  }
  return found;
}
