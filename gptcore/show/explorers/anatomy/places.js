// Anatomy's places, shares and numbers: what stands where in the diagram and among the areas, and how
// a number is written. Nothing here touches the page.

import { along, count } from "../shared/kit.js";

export const WIDTH = 352; // of the diagram, in its own units: pixels at full size
const SPINE = { x: 82, width: 120 }; // the residual stream runs down the middle of this column
const BRANCH = { x: 253, width: 178 };
const FRAME = { left: 14, right: WIDTH - 2 };
const BOX = 40, GAP = 12; // height, and the room between two things
export const SUM = 22; // the height of a sum
const FORK = 26; // from the top of a frame to where the first branch leaves: its name stands there
const LETTER = 6.7, SMALL = 5.9; // mean width of a letter in the two sizes of the pictures

// ---------------------------------------------------------------- places

/** Where everything of a network is drawn: boxes, sums, lines, the frame around a block. */
export function diagram(flow) {
  const boxes = {}, wires = [];
  let y = 2, fork = 8, frame = null, stream = null, writer = null;
  const box = (part, column) => ({
    id: part.id, place: part.place, x: column.x - column.width / 2, y, width: column.width, height: BOX,
  });
  const down = (from, to) => wires.push([[SPINE.x, from], [SPINE.x, to]]);
  for (const part of flow) {
    if (part.in_block && !frame) {
      frame = { x: FRAME.left, y: (y += 4), width: FRAME.right - FRAME.left };
      fork = FORK;
    }
    if (!part.in_block && frame && !frame.height) {
      frame.height = y - frame.y;
      y += GAP + 4;
    }
    if (part.place === "branch" && part.in_block) {
      const last = writer && boxes[writer];
      const from = last ? last.y + BOX : y + fork;
      y = from + (last ? GAP : GAP + 2);
      boxes[part.id] = box(part, BRANCH);
      if (last) wires.push([[BRANCH.x, from], [BRANCH.x, y]]);
      else wires.push([[SPINE.x, from], [BRANCH.x, from], [BRANCH.x, y]]);
      [writer, fork] = [part.id, 8];
      y += BOX;
    } else if (part.place === "branch") { // the position table, beside the token table
      const beside = boxes[stream];
      boxes[part.id] = { ...box(part, BRANCH), y: beside.y };
      writer = part.id;
    } else if (part.place === "sum") {
      y += GAP;
      const sum = { x: SPINE.x - SUM / 2, y, width: SUM, height: SUM };
      boxes[part.id] = { id: part.id, place: "sum", ...sum };
      const { y: top } = boxes[writer], middle = y + SUM / 2;
      wires.push([[BRANCH.x, top + BOX], [BRANCH.x, middle], [SPINE.x + SUM / 2, middle]]);
      down(boxes[stream].y + boxes[stream].height, y);
      [stream, writer] = [part.id, null];
      y += SUM + GAP;
    } else {
      if (stream && boxes[stream].place !== "sum") y += GAP;
      if (stream) down(boxes[stream].y + boxes[stream].height, (y += 2));
      boxes[part.id] = box(part, SPINE);
      stream = part.id;
      y += BOX + (part.in_block ? GAP : 0);
    }
  }
  const { wte, logits } = boxes; // the tied matrix: a dashed line beside everything
  const tie = wte && logits ? [wte, logits].map(({ x, y }) => [x, y + BOX / 2]) : [];
  if (tie.length) tie.splice(1, 0, [5, tie[0][1]], [5, tie[1][1]]);
  return { boxes: Object.values(boxes), wires, frame, tie, width: WIDTH, height: y + 4 };
}

/** The flattest rectangle of a row of `values` that lies along `side`: longest side over shortest.
 *  `unit` is the area that a value of 1 has. */
function flattest(values, side, unit) {
  const total = values.reduce((sum, value) => sum + value, 0), depth = (total * unit) / side;
  return Math.max(...values.map((value) => {
    const length = (side * value) / total;
    return Math.max(depth / length, length / depth);
  }));
}

/** Rectangles that fill `room`, in the order of `values`, largest first; areas as the values.
 *  Rows as square as can be: Bruls, Huizing and van Wijk 2000, Squarified Treemaps, §3. */
export function squarify(values, room) {
  const placed = [];
  let { x, y, width, height } = room, left = values.reduce((sum, value) => sum + value, 0);
  for (let first = 0; first < values.length; ) {
    const side = Math.min(width, height), unit = (width * height) / left, row = [values[first]];
    while (first + row.length < values.length) {
      const longer = [...row, values[first + row.length]];
      if (flattest(longer, side, unit) > flattest(row, side, unit)) break;
      row.push(longer.at(-1));
    }
    first += row.length;
    const total = row.reduce((sum, value) => sum + value, 0);
    const share = first < values.length ? total / left : 1; // the last row takes what is left
    const across = width >= height, depth = share * (across ? width : height);
    let along = 0;
    for (const value of row) {
      const length = (side * value) / total;
      placed.push(
        across
          ? { x, y: y + along, width: depth, height: length }
          : { x: x + along, y, width: length, height: depth },
      );
      along += length;
    }
    if (across) [x, width] = [x + depth, width - depth];
    else [y, height] = [y + depth, height - depth];
    left -= total;
  }
  return placed;
}

/** Groups of leaves [{ id, group, value }] in `room`: a rectangle each, those of a group together. */
export function treemap(leaves, room) {
  const groups = new Map();
  for (const leaf of leaves.filter(({ value }) => value > 0))
    groups.set(leaf.group, [...(groups.get(leaf.group) ?? []), leaf]);
  const size = (list) => list.reduce((sum, { value }) => sum + value, 0);
  const sorted = [...groups.values()].sort((a, b) => size(b) - size(a));
  return squarify(sorted.map(size), room).flatMap((place, i) => {
    const list = [...sorted[i]].sort((a, b) => b.value - a.value);
    const places = squarify(list.map(({ value }) => value), place);
    return list.map((leaf, j) => ({ ...leaf, ...places[j] }));
  });
}

/** A label for a rectangle: the first of some names that has room, below it more if that has, too. */
export function fitting(names, more, { width, height }) {
  const lines = Math.floor((height - 8) / 16);
  const name = names.find((text) => text.length * LETTER <= width - 12);
  if (lines < 1 || name === undefined) return [];
  return lines > 1 && more.length * SMALL <= width - 12 ? [name, more] : [name];
}

/** The part that a key leads to in the order of the data flow, or null for other keys. */
export function partFor(key, at, size) {
  return along({ ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight" }[key] ?? key, at, size);
}

// ---------------------------------------------------------------- numbers and words

export const exact = (n) => count(Math.round(n));

/** A share as a percentage: two digits that count, one decimal above one per cent. */
export function percent(part, whole) {
  const share = (100 * part) / whole;
  if (share === 0) return "0 %";
  if (share < 0.01) return "< 0.01 %";
  return `${share.toFixed(share < 1 ? 2 : 1)} %`;
}

/** A large number in words, four digits: 241.5 million. */
export function short(n) {
  const names = [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]];
  const [unit, name] = names.find(([unit]) => n >= unit * 0.99995) ?? [1, ""];
  if (!name) return exact(n);
  const value = n / unit;
  return `${value.toFixed(value >= 99.995 ? 1 : value >= 9.9995 ? 2 : 3)} ${name}`;
}

/** What makes `b` of `a`: × 1.24, or ÷ 8 where it is smaller; three digits. */
export function times(a, b) {
  const ratio = Math.max(a / b, b / a);
  const text = ratio >= 99.95 ? exact(ratio) : `${Number(ratio.toPrecision(3))}`;
  return `${b < a ? "÷" : "×"} ${text}`;
}

/** The largest length of a network that is not above `tokens`; 0 means its longest. */
export function lengthAt({ lengths }, tokens) {
  const last = lengths.length - 1;
  const at = lengths.findLastIndex((length) => length <= (tokens || lengths[last]));
  return Math.max(0, at);
}

/** A shape in letters, or in the numbers of a network for a text of T tokens. */
export const letters = (shape) => `(${shape.join(", ")})`;
export function shapeOf(shape, { sizes }, T) {
  const number = (letter) => (letter === "T" ? T : sizes[letter]);
  return `(${shape.map((letter) => number(letter)?.toLocaleString("en") ?? letter).join(", ")})`;
}

/** Parameters and FLOPs per token of one part: in one copy, copies, in all, of the whole. */
export function costs(network, part, at) {
  const of = (value) => (Array.isArray(value) ? value[at] : value ?? 0);
  const copies = part.in_block ? network.sizes.L : 1;
  const one = { parameters: network.params[part.id], flops: of(network.flops[part.id]) };
  const all = { parameters: copies * one.parameters, flops: copies * one.flops };
  return { copies, one, all };
}

/** FLOPs per token of a whole network. */
export function flopsOf(network, flow, at) {
  return flow.reduce((sum, part) => sum + costs(network, part, at).all.flops, 0);
}

/** The areas: one leaf per part, its value over all blocks. */
export function leavesOf(network, flow, measure, at) {
  return flow.map((part) => {
    const value = costs(network, part, at).all[measure];
    return { id: part.id, kind: part.kind, group: part.group, name: part.name, path: part.path, value };
  });
}

/** Groups of leaves by size, largest first: [name, value, kind]. */
export function groupsOf(leaves) {
  const found = new Map();
  for (const { group, kind, value } of leaves.filter(({ value }) => value > 0))
    found.set(group, [group, (found.get(group)?.[1] ?? 0) + value, kind]);
  return [...found.values()].sort((a, b) => b[1] - a[1]);
}

/** A line of code as [what it says, its comment]. */
export function commented(line) {
  const at = line.search(/(?<=^|\s\s)#/);
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at)];
}
