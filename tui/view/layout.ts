import type { Rect } from './frame.ts';

/** Heights (or widths) of parts: a number is fixed, `{ grow }` shares what is left. Whole cells, nothing left over. */
export type Part = number | { readonly grow: number; readonly least?: number };

function shares(total: number, parts: readonly Part[]): number[] {
  const sizes: number[] = parts.map((part) => (typeof part === 'number' ? part : (part.least ?? 0)));
  let left = total - sizes.reduce((sum: number, size) => sum + size, 0);
  const grown = parts.reduce((sum: number, part) => sum + (typeof part === 'number' ? 0 : part.grow), 0);
  if (left > 0 && grown > 0) {
    const spare = left;
    const last = parts.findLastIndex((part) => typeof part !== 'number');
    for (const [index, part] of parts.entries()) {
      if (typeof part === 'number') continue;
      const more = index === last ? left : Math.floor((spare * part.grow) / grown);
      sizes[index]! += more;
      left -= more;
    }
  }
  // Too little room: what comes last gives way.
  for (let index = sizes.length - 1; index >= 0 && left < 0; index--) {
    const less = Math.min(sizes[index]!, -left);
    sizes[index]! -= less;
    left += less;
  }
  return sizes;
}

/** A rectangle cut into rows, from the top. */
export function rowsOf(area: Rect, ...parts: Part[]): Rect[] {
  let y = area.y;
  return shares(area.height, parts).map((height) => {
    const rect = { ...area, y, height };
    y += height;
    return rect;
  });
}

/** A rectangle cut into columns, from the left. */
export function columnsOf(area: Rect, ...parts: Part[]): Rect[] {
  let x = area.x;
  return shares(area.width, parts).map((width) => {
    const rect = { ...area, x, width };
    x += width;
    return rect;
  });
}
