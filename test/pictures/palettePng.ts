import { crc32, deflateSync, inflateSync } from 'node:zlib';

/**
 * A PNG of 8-bit RGB or RGBA as one of 256 colours: a picture of text has few, and takes a third of the bytes. Colours are
 * rounded to five bits and the rarest go to their nearest.
 */
export function withPalette(png: Buffer): Buffer {
  const { width, height, pixels } = decode(png);
  const counts = new Map<number, number>();
  const keys = new Uint32Array(width * height);
  for (let n = 0; n < keys.length; n++) {
    const key = ((pixels[n * 3]! >> 3) << 10) | ((pixels[n * 3 + 1]! >> 3) << 5) | (pixels[n * 3 + 2]! >> 3);
    keys[n] = key;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const shown = [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 128)
    .map(([key]) => key);
  const parts = (key: number) => [(key >> 10) & 31, (key >> 5) & 31, key & 31] as const;
  const nearest = new Map<number, number>();
  const indexOf = (key: number): number => {
    let found = nearest.get(key);
    if (found !== undefined) return found;
    const [r, g, b] = parts(key);
    let least = Number.POSITIVE_INFINITY;
    found = 0;
    for (const [index, one] of shown.entries()) {
      const [r2, g2, b2] = parts(one);
      const distance = (r - r2) ** 2 + (g - g2) ** 2 + (b - b2) ** 2;
      if (distance < least) [least, found] = [distance, index];
    }
    nearest.set(key, found);
    return found;
  };
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = indexOf(keys[y * width + x]!);
  const palette = Buffer.from(shown.flatMap((key) => parts(key).map((part) => (part << 3) | (part >> 2))));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    png.subarray(0, 8),
    chunk('IHDR', head),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

function decode(png: Buffer): { width: number; height: number; pixels: Buffer } {
  const [width, height, depth, type, , , interlaced] = [
    png.readUInt32BE(16),
    png.readUInt32BE(20),
    ...png.subarray(24, 29),
  ];
  if (depth !== 8 || (type !== 2 && type !== 6) || interlaced) throw new Error('expected a PNG of 8-bit RGB or RGBA');
  const size = type === 6 ? 4 : 3;
  const packed: Buffer[] = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      packed.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const raw = inflateSync(Buffer.concat(packed));
  const stride = width! * size;
  const before = Buffer.alloc(stride);
  const pixels = Buffer.alloc(width! * height! * 3);
  for (let y = 0; y < height!; y++) {
    const filter = raw[y * (stride + 1)]!;
    const row = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    for (let n = 0; n < stride; n++) {
      const left = n >= size ? row[n - size]! : 0;
      const corner = n >= size ? before[n - size]! : 0;
      const guess = [0, left, before[n]!, (left + before[n]!) >> 1, paeth(left, before[n]!, corner)][filter]!;
      row[n] = (row[n]! + guess) & 255;
    }
    row.copy(before);
    for (let x = 0; x < width!; x++) row.copy(pixels, (y * width! + x) * 3, x * size, x * size + 3);
  }
  return { width: width!, height: height!, pixels };
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
