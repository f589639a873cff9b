import type { IncomingMessage } from 'node:http';
import { pipeline, Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

export interface Body {
  readonly body: Buffer;
  /** The rest was not read. */
  readonly truncated: boolean;
}

/** For the request; an answer in any other is refused. */
export const ACCEPT_ENCODING = 'gzip, deflate, br';

/**
 * The decoded body, up to `maxBytes` of it: the limit is on what comes out of the decoder, so that a small answer cannot
 * grow into a large one, and the connection is cut there.
 *
 * @throws the stream's error when the answer breaks off or cannot be decoded.
 */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of await decoded(response)) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) return { body: Buffer.concat(chunks).subarray(0, maxBytes), truncated: true };
    }
    return { body: Buffer.concat(chunks), truncated: false };
  } finally {
    response.destroy();
  }
}

async function decoded(response: IncomingMessage): Promise<AsyncIterable<Buffer>> {
  const names = (response.headers['content-encoding'] ?? '').toLowerCase().split(',');
  const encodings = names.map((name) => name.trim()).filter((name) => name && name !== 'identity');
  if (encodings.length === 0) return response;
  const chunks: AsyncIterator<Buffer> = response[Symbol.asyncIterator]();
  const first = await chunks.next();
  // 204, 304 and the like: a decoder would call their nothing broken.
  if (first.done) return Readable.from([]);
  const decoder = decoderOf(encodings, first.value);
  const whole = async function* () {
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => chunks };
  };
  // The reader of the decoder is told of every error, so that there is nothing left to do with it here.
  return pipeline(Readable.from(whole()), decoder, () => {});
}

function decoderOf(encodings: readonly string[], first: Buffer): Transform {
  const encoding = encodings.join(', ');
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip();
  if (encoding === 'br') return createBrotliDecompress();
  // The name means zlib's format, and some servers send it bare: zlib's first byte has 8 in its low half.
  if (encoding === 'deflate') return (first[0]! & 0x0f) === 8 ? createInflate() : createInflateRaw();
  throw new Error(`encoded as ${encoding}, which was not asked for`);
}
