const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.2 GiB`. */
export function bytesText(bytes: number): string {
  let size = Math.abs(bytes);
  let unit = 0;
  // 1023.95 would be rounded to 1024.0.
  while (size >= 1023.95 && unit < SIZES.length - 1) {
    size /= 1024;
    unit++;
  }
  const sign = bytes < 0 ? '-' : '';
  return `${sign}${unit === 0 ? Math.round(size) : size.toFixed(1)} ${SIZES[unit]}`;
}

/** The two largest parts: `3 d 4 h`, `2 min 5 s`, `0.25 s`. */
export function secondsText(seconds: number): string {
  const sign = seconds < 0 ? '-' : '';
  const size = Math.abs(seconds);
  if (size < 60 && !Number.isInteger(size)) return `${sign}${Number(size.toFixed(2))} s`;
  let rest = Math.round(size);
  const parts: string[] = [];
  for (const [unit, length] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) parts.push(`${count} ${unit}`);
    // `3 d 20 s` would suggest a precision that `3 d 4 h` does not have.
    if (parts.length === 2 || (parts.length === 1 && count === 0)) break;
  }
  return sign + (parts.join(' ') || '0 s');
}

/** A number as its field's name says what it measures; undefined where the name says nothing. */
export function measured(name: string, value: number): string | undefined {
  if (name.endsWith('_bytes')) return bytesText(value);
  if (name.endsWith('_percent')) return `${value.toFixed(1)} %`;
  if (name.endsWith('_seconds')) return secondsText(value);
  if (name.endsWith('_ms')) return `${Math.round(value)} ms`;
  return undefined;
}

const UNIT = /_(?:bytes|percent|seconds|ms)$/;

/** The name as a heading: without its unit, which the values show. */
export function label(name: string): string {
  return name.replace(UNIT, '').replaceAll('_', ' ');
}
