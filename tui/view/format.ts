/** Numbers and times as short as a table needs them. */

const pad = (part: number) => String(part).padStart(2, '0');

/** `14:03:22` today, `26 Nov 14:03` before, in the zone of this process. */
export function clock(time: string | number | null | undefined, now: number): string {
  if (time === null || time === undefined) return '-';
  const date = new Date(time);
  const today = new Date(now);
  const clockTime = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (date.toDateString() === today.toDateString()) return `${clockTime}:${pad(date.getSeconds())}`;
  return `${date.getDate()} ${date.toLocaleString('en', { month: 'short' })} ${clockTime}`;
}

/** `0.4 s`, `12 s`, `3 m 05 s`, `2 h 04 m`, `5 d 3 h`. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '-';
  if (ms < 0) return '0 s';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${pad(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long something has lasted that goes on: whole seconds, so that it changes once a second at most. */
export const since = (time: string | number | null | undefined, now: number): string =>
  time === null || time === undefined
    ? '-'
    : span(Math.max(1000, Math.floor((now - new Date(time).getTime()) / 1000) * 1000)).replace(/\.\d s$/, ' s');

export const between = (from: string | null, to: string | null): string =>
  from === null || to === null ? '-' : span(new Date(to).getTime() - new Date(from).getTime());

/** `1,234`, `12.3k`, `4.5M`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return '-';
  if (value < 10_000) return value.toLocaleString('en');
  return value < 1_000_000 ? `${(value / 1000).toFixed(1)}k` : `${(value / 1_000_000).toFixed(1)}M`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '-';
  if (value < 1024) return `${value} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = value;
  let unit = -1;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export const dollars = (value: number | string | null | undefined): string => {
  const amount = Number(value ?? 0);
  return `$${amount !== 0 && Math.abs(amount) < 0.01 ? amount.toFixed(4) : amount.toFixed(2)}`;
};

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** An error with its class, where the class says something that the text does not. */
export const errorText = (kind: string | null | undefined, text: string | null | undefined): string =>
  kind && kind !== 'Error' && !(text ?? '').includes(kind) ? `${kind}: ${text ?? ''}` : (text ?? '');
