import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../../lib/config/index.ts';
import type { TelegramApi } from '../../lib/telegram/index.ts';

export interface Kept {
  sha256: string;
  name: string;
  mime: string;
  bytes: number;
  file: string;
}

/** What the Bot API gives out. */
const SIZE_LIMIT = 20_000_000;
const DOWNLOAD_LIMIT_MS = 60_000;

/** Data that people send; a program, an archive or a page is not among them. */
const TYPES: Readonly<Record<string, string>> = {
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  log: 'text/plain',
  json: 'application/json',
  yaml: 'application/yaml',
  yml: 'application/yaml',
  pdf: 'application/pdf',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  ogg: 'audio/ogg',
  mp3: 'audio/mpeg',
};

interface Attachment {
  file_id: string;
  file_size?: number;
  file_name?: string;
}

/** The file of a message, if it has one. */
export function attachmentOf(message: Record<string, unknown>): Attachment | undefined {
  const photos = message.photo as Attachment[] | undefined;
  if (Array.isArray(photos) && photos.length > 0) return { ...photos.at(-1)!, file_name: 'photo.jpg' };
  if (message.voice) return { ...(message.voice as Attachment), file_name: 'voice.ogg' };
  return message.document as Attachment | undefined;
}

/** Into uploads/ by its hash, mode 600; a refusal is a sentence. */
export async function keep(api: TelegramApi, config: Config, attachment: Attachment): Promise<Kept | string> {
  const name = path
    .basename(String(attachment.file_name ?? 'file'))
    .replace(/[^\p{L}\p{N}._ -]/gu, '_')
    .slice(0, 100);
  const ending = path.extname(name).slice(1).toLowerCase();
  const mime = TYPES[ending];
  if (!mime)
    return `I do not keep files of that type (${ending || 'no ending'}); taken are ${Object.keys(TYPES).join(', ')}.`;
  if ((attachment.file_size ?? 0) > SIZE_LIMIT)
    return 'That file is larger than 20 MB, which the Bot API does not give out.';
  const { file_path: remote, file_size: size } = await api.getFile(attachment.file_id);
  if (!remote || (size ?? 0) > SIZE_LIMIT)
    return 'That file is larger than 20 MB, which the Bot API does not give out.';
  const { baseUrl, token } = config.services.telegram;
  // The path comes from Telegram; it is quoted, and the host is ours.
  const url = `${baseUrl}/file/bot${token}/${remote.split('/').map(encodeURIComponent).join('/')}`;
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(DOWNLOAD_LIMIT_MS) });
  if (!response.ok || !response.body) return `Telegram did not give out the file (${response.status}); send it again.`;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > SIZE_LIMIT) return 'That file is larger than 20 MB.';
    chunks.push(chunk);
  }
  const data = Buffer.concat(chunks);
  const sha256 = createHash('sha256').update(data).digest('hex');
  const file = path.join(config.layout.uploads, `${sha256}.${ending}`);
  await mkdir(config.layout.uploads, { recursive: true, mode: 0o700 });
  const partial = path.join(config.layout.uploads, `.${randomUUID()}`);
  try {
    await writeFile(partial, data, { mode: 0o600, flag: 'wx' });
    await rename(partial, file);
  } finally {
    await rm(partial, { force: true });
  }
  return { sha256, name, mime, bytes, file };
}
