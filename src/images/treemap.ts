import { formatSize } from "../support/bytes.ts";
import { showOddBytes } from "../support/name-bytes.ts";
import type { SizeNode } from "./sizes.ts";
import { type Box, squarify } from "./squarify.ts";

export interface TreemapInput {
  readonly title: string;
  readonly root: SizeNode;
  /** What a file is coloured by, such as the package that it is of. */
  readonly groupOf: (file: SizeNode) => string;
}

const WIDTH = 1200;
const HEIGHT = 800;
const MARGIN = 12;
const TITLE_HEIGHT = 34;
const LEGEND_HEIGHT = 24;
const FOLDER_HEADER = 16;
/** What would be smaller, in square units, is drawn together with its like: it could not be seen, and makes the file large. */
const SMALLEST = 40;

/** A treemap as SVG: areas are as the sizes, folders hold what is in them, and a pointer on anything tells its path and size. */
export function drawTreemap({ title, root, groupOf }: TreemapInput): string {
  const colours = new Colours(root, groupOf);
  const box = {
    x: MARGIN,
    y: TITLE_HEIGHT,
    width: WIDTH - 2 * MARGIN,
    height: HEIGHT - TITLE_HEIGHT - LEGEND_HEIGHT - MARGIN,
  };
  const heading = `${title}: ${formatSize(root.size)}, ${root.files} files`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" role="img" aria-label="${escapeXml(heading)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${MARGIN}" y="22" font-size="15" fill="#222">${escapeXml(heading)}</text>`,
    ...drawNode(root, box, { colours, depth: 0 }),
    ...drawLegend(colours),
    "</svg>",
    "",
  ].join("\n");
}

interface Drawing {
  readonly colours: Colours;
  readonly depth: number;
}

function* drawNode(node: SizeNode, box: Box, drawing: Drawing): Generator<string> {
  const tip = `<title>${escapeXml(`${node.path}: ${formatSize(node.size)}`)}</title>`;
  if (node.type !== "directory") {
    yield `<rect ${place(box)} fill="${drawing.colours.of(node)}" stroke="#fff">${tip}</rect>`;
    yield* label(`${node.name} ${formatSize(node.size)}`, box, { x: 3, y: 12, fill: "#111" });
    return;
  }
  yield `<rect ${place(box)} fill="${drawing.depth % 2 === 0 ? "#e9eaec" : "#dfe1e5"}" stroke="#8a8f98" stroke-width="0.5">${tip}</rect>`;
  const hasHeader = box.height > 3 * FOLDER_HEADER && box.width > 40;
  if (hasHeader) yield* label(`${node.name} ${formatSize(node.size)}`, box, { x: 4, y: 12, fill: "#333" });
  const top = hasHeader ? FOLDER_HEADER : 1;
  yield* drawChildren(
    node,
    { x: box.x + 2, y: box.y + top, width: box.width - 4, height: box.height - top - 2 },
    drawing,
  );
}

function* drawChildren(node: SizeNode, inner: Box, drawing: Drawing): Generator<string> {
  if (inner.width <= 0 || inner.height <= 0 || node.size === 0) return;
  const scale = (inner.width * inner.height) / node.size;
  const shown = node.children.filter(({ size }) => size * scale >= SMALLEST);
  const small = node.children.slice(shown.length).filter(({ size }) => size > 0);
  const rest = small.reduce((sum, { size }) => sum + size, 0);
  const boxes = squarify([...shown.map(({ size }) => size), ...(rest > 0 ? [rest] : [])], inner);
  for (const [index, child] of shown.entries()) {
    const box = boxes[index];
    if (box !== undefined) yield* drawNode(child, box, { ...drawing, depth: drawing.depth + 1 });
  }
  const last = boxes[shown.length];
  if (last === undefined) return;
  const text = `${node.path}: ${small.length} more, ${formatSize(rest)}`;
  yield `<rect ${place(last)} fill="#c9cdd4" stroke="#fff"><title>${escapeXml(text)}</title></rect>`;
}

/** Text that has room in its box; in ten units of height, a letter is about six wide. */
function* label(
  text: string,
  box: Box,
  { x, y, fill }: { readonly x: number; readonly y: number; readonly fill: string },
): Generator<string> {
  const letters = Math.floor((box.width - 2 * x) / 6.2);
  if (letters < 3 || box.height < y + 3) return;
  const shown = text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
  yield `<text x="${short(box.x + x)}" y="${short(box.y + y)}" font-size="10.5" fill="${fill}" pointer-events="none">${escapeXml(shown)}</text>`;
}

function* drawLegend({ groups }: Colours): Generator<string> {
  let x = MARGIN;
  for (const [name, { colour, size }] of groups) {
    const text = `${name} ${formatSize(size)}`;
    const width = 26 + text.length * 6.2;
    if (x + width > WIDTH - MARGIN) return;
    const y = HEIGHT - LEGEND_HEIGHT;
    yield `<rect x="${short(x)}" y="${y}" width="12" height="12" fill="${colour}"/>`;
    yield `<text x="${short(x + 16)}" y="${y + 10}" font-size="11" fill="#222">${escapeXml(text)}</text>`;
    x += width;
  }
}

/** Told apart with the usual kinds of colour blindness as well: after Paul Tol's "bright" and "light" schemes. */
const PALETTE = [
  "#77aadd",
  "#ee8866",
  "#eedd88",
  "#44bb99",
  "#ffaabb",
  "#99ddff",
  "#bbcc33",
  "#aaaa00",
  "#cc99bb",
  "#88ccaa",
];
const OTHER = "#b4b9c2";

class Colours {
  /** The largest first. */
  readonly groups: ReadonlyMap<string, { readonly colour: string; readonly size: number }>;
  readonly #groupOf: (file: SizeNode) => string;

  constructor(root: SizeNode, groupOf: (file: SizeNode) => string) {
    this.#groupOf = groupOf;
    const sizes = new Map<string, number>();
    const pending = [root];
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      for (const child of node.children) pending.push(child);
      if (node.type === "file" && node.size > 0) {
        const group = groupOf(node);
        sizes.set(group, (sizes.get(group) ?? 0) + node.size);
      }
    }
    const sorted = [...sizes].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1));
    this.groups = new Map(sorted.map(([name, size], index) => [name, { colour: PALETTE[index] ?? OTHER, size }]));
  }

  of(file: SizeNode): string {
    return this.groups.get(this.#groupOf(file))?.colour ?? OTHER;
  }
}

function place({ x, y, width, height }: Box): string {
  return `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`;
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Names are bytes of anybody's choice: what XML cannot hold is replaced. */
function escapeXml(text: string): string {
  return (
    showOddBytes(text)
      .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu, "\ufffd")
  );
}
