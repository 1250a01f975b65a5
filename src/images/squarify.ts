/** A rectangle of a picture; in its units. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Divides a rectangle among sizes, the largest first, so that areas are as the sizes and no part is thinner than need be.
 * Source: Bruls, Huizing, van Wijk, "Squarified Treemaps" (2000): rows are filled along the shorter side as long as that
 * makes their worst part squarer.
 */
export function squarify(sizes: readonly number[], box: Box): readonly Box[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= 0 || box.width <= 0 || box.height <= 0) return sizes.map(() => ({ ...box, width: 0, height: 0 }));
  const scale = (box.width * box.height) / total;
  const boxes: Box[] = [];
  let rest = box;
  for (let start = 0; start < sizes.length; ) {
    const side = Math.min(rest.width, rest.height);
    const end = rowEnd(sizes, { start, side, scale });
    const row = sizes.slice(start, end);
    const { placed, left } = placeRow(row, scale, rest);
    for (const one of placed) boxes.push(one);
    rest = left;
    start = end;
  }
  return boxes;
}

interface RowStart {
  readonly start: number;
  readonly side: number;
  readonly scale: number;
}

function rowEnd(sizes: readonly number[], { start, side, scale }: RowStart): number {
  let area = 0;
  let largest = 0;
  let worst = Number.POSITIVE_INFINITY;
  for (let end = start; end < sizes.length; end++) {
    const own = (sizes[end] ?? 0) * scale;
    area += own;
    largest = Math.max(largest, own);
    // What is nothing takes no room in any row.
    const ratio =
      own === 0 ? worst : Math.max((side * side * largest) / (area * area), (area * area) / (side * side * own));
    if (end > start && ratio > worst) return end;
    worst = ratio;
  }
  return sizes.length;
}

function placeRow(
  row: readonly number[],
  scale: number,
  rest: Box,
): { readonly placed: readonly Box[]; readonly left: Box } {
  const area = row.reduce((sum, size) => sum + size, 0) * scale;
  const isUpright = rest.width >= rest.height;
  const side = isUpright ? rest.height : rest.width;
  const thickness = side === 0 ? 0 : Math.min(area / side, isUpright ? rest.width : rest.height);
  let at = 0;
  const placed = row.map((size) => {
    const length = thickness === 0 ? 0 : (size * scale) / thickness;
    const box = isUpright
      ? { x: rest.x, y: rest.y + at, width: thickness, height: length }
      : { x: rest.x + at, y: rest.y, width: length, height: thickness };
    at += length;
    return box;
  });
  const left = isUpright
    ? { ...rest, x: rest.x + thickness, width: Math.max(0, rest.width - thickness) }
    : { ...rest, y: rest.y + thickness, height: Math.max(0, rest.height - thickness) };
  return { placed, left };
}
