/** Rows as aligned text columns. Control characters of what came from outside are shown as spaces. */
export function textTable(headings: readonly string[], rows: readonly (readonly unknown[])[], empty = 'none'): string {
  if (rows.length === 0) return empty;
  const cells = [headings, ...rows.map((row) => row.map(cellText))];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return '-';
  const text =
    value instanceof Date ? timeText(value) : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const printable = text.replace(/\p{Cc}+/gu, ' ');
  return printable.length > 100 ? `${printable.slice(0, 99)}…` : printable;
}

/** In the operator's zone, to the second. */
export function timeText(value: Date | string | null): string {
  if (value === null) return '-';
  const date = new Date(value);
  const pad = (part: number) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `850 ms`, `2.4 s`, `3 m 12 s`. */
export function spanText(ms: number | null): string {
  if (ms === null) return '-';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} m ${Math.round((ms % 60_000) / 1000)} s`;
}

/** An error as it is told: its class, once; an error of ours begins with its code already. */
export function errorText(errorClass: string | null, error: string | null): string {
  if (error === null) return errorClass ?? '';
  return errorClass === null || error.startsWith(`${errorClass}: `) ? error : `${errorClass}: ${error}`;
}
