// What an attention head computes, as numbers, and where its matrices stand and how they are coloured;
// nothing here touches the page.

export const STEPS = [
  { name: "vectors", short: "q, k, v", title: "Queries, keys, values", shows: ["q", "k", "v"] },
  { name: "scores", short: "q · k", title: "Scores: q · k", shows: ["q", "kT", "scores"] },
  { name: "scaled", short: "÷ √D", title: "Scaled: scores ÷ √D", shows: ["scores", "", "scaled"] },
  { name: "masked", short: "mask", title: "Masked scores", shows: ["scaled", "", "masked"] },
  { name: "weights", short: "softmax", title: "Weights: softmax", shows: ["masked", "", "weights"] },
  { name: "output", short: "× V", title: "Output: weights × V", shows: ["weights", "v", "output"] },
];
export const TABLE = 8; // rows in a table of terms, before the others are summed up
export const FEW = 6; // numbers of a vector up to which each has room for its digits

// ---------------------------------------------------------------- numbers

/** Queries, keys and values of head number `index` of a look, counted through all layers. */
export function vectors(look, index, [D, V]) {
  if (look.exact) {
    const [q, k, v] = look.exact.map((values) => Float64Array.from(values));
    return { q, k, v };
  }
  const T = look.tokens.length, bytes = look.numbers, [q, k, v] = [D, D, V].map((width, i) => {
    const from = 2 * T * D * (3 * index + i), unit = look.units[3 * index + i];
    const values = new Float64Array(T * width);
    for (let j = 0; j < values.length; j++) values[j] = unit * bytes.getInt16(from + 2 * j, true);
    return values;
  });
  return { q, k, v };
}

/** A matrix on end: number (row, column) becomes number (column, row). */
export function turned(values, rows) {
  const columns = values.length / rows, result = new Float64Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = values[row * columns + column];
  return result;
}

/** A · B, row by row; A has so many `rows`. Two of them go together. */
export function times(a, b, rows) {
  const inner = a.length / rows, columns = b.length / inner;
  const result = new Float64Array(rows * columns);
  const rowOf = (values, row, width) => values.subarray(row * width, (row + 1) * width);
  for (let row = 0; row < rows; row += 2) {
    const next = Math.min(row + 1, rows - 1); // of an odd number the last one is done twice
    const two = [rowOf(a, row, inner), rowOf(a, next, inner)];
    twoRows(...two, b, rowOf(result, row, columns), rowOf(result, next, columns));
  }
  return result;
}

/** Rows x and y, each times B, four columns together: eight sums, none of which waits for another. */
function twoRows(x, y, b, toX, toY) {
  const columns = toX.length, last = columns - 1;
  let inner = x.length;
  while (inner && x[inner - 1] === 0 && y[inner - 1] === 0) inner--; // as are weights on what is barred
  for (let first = 0; first < columns; first += 4) { // at the edge the last column is done again
    const second = Math.min(first + 1, last), third = Math.min(first + 2, last);
    const fourth = Math.min(first + 3, last);
    let x0 = 0, x1 = 0, x2 = 0, x3 = 0, y0 = 0, y1 = 0, y2 = 0, y3 = 0;
    for (let j = 0, at = 0; j < inner; j++, at += columns) {
      const p = x[j], q = y[j];
      const b0 = b[at + first], b1 = b[at + second], b2 = b[at + third], b3 = b[at + fourth];
      x0 += p * b0;
      x1 += p * b1;
      x2 += p * b2;
      x3 += p * b3;
      y0 += q * b0;
      y1 += q * b1;
      y2 += q * b2;
      y3 += q * b3;
    }
    toX[first] = x0;
    toX[second] = x1;
    toX[third] = x2;
    toX[fourth] = x3;
    toY[first] = y0;
    toY[second] = y1;
    toY[third] = y2;
    toY[fourth] = y3;
  }
}

/** Whether row may read column: itself and what came before, or what a layer's pattern says. */
export function reader(T, may) {
  return may ? (row, column) => may.getUint8(row * T + column) === 1 : (row, column) => column <= row;
}

/** Scores after the mask: what may not be read becomes −∞, or stays, or becomes 0. */
export function masked(scores, T, may, mask) {
  if (mask === "none") return scores;
  const kept = Float64Array.from(scores), barred = mask === "zero" ? 0 : -Infinity;
  for (let row = 0, at = 0; row < T; row++)
    for (let column = 0; column < T; column++, at++) if (!may(row, column)) kept[at] = barred;
  return kept;
}

/** Each row as shares that sum to 1. */
export function softmax(scores, T) {
  const weights = new Float64Array(T * T);
  for (let row = 0; row < T; row++) {
    const { powers, sum } = exponentials(scores.subarray(row * T, (row + 1) * T));
    for (let column = 0; column < T; column++) weights[row * T + column] = powers[column] / sum;
  }
  return weights;
}

/** e to each score of a row and their sum; large scores are first lowered by the largest. */
export function exponentials(row) {
  let largest = -Infinity, sum = 0;
  for (let i = 0; i < row.length; i++) largest = Math.max(largest, row[i]);
  const lowered = Math.abs(largest) > 5 ? largest : 0; // the same shares, in readable numbers
  const powers = new Float64Array(row.length);
  for (let i = 0; i < row.length; i++) sum += powers[i] = Math.exp(row[i] - lowered);
  return { lowered, powers, sum };
}

/** Each number of a matrix through √D, the width of a query. */
function divided(scores, D) {
  const root = Math.sqrt(D), scaled = new Float64Array(scores.length);
  for (let i = 0; i < scores.length; i++) scaled[i] = scores[i] / root;
  return scaled;
}

/** All matrices of a head, by name; `known` is the walk with another mask, if there is one. */
export function walk({ q, k, v }, T, may, mask, known = null) {
  const kT = known?.kT ?? turned(k, T), scores = known?.scores ?? times(q, kT, T);
  const scaled = known?.scaled ?? divided(scores, q.length / T);
  const kept = masked(scaled, T, may, mask), weights = softmax(kept, T);
  return { q, k, kT, v, scores, scaled, masked: kept, weights, output: times(weights, v, T) };
}

/** The terms of a sum of products: the largest in their order, the rest as one. */
export function terms(a, b, most = TABLE) {
  const all = Array.from(a, (value, i) => ({ i, a: value, b: b[i], product: value * b[i] }));
  const total = all.reduce((sum, { product }) => sum + product, 0);
  if (all.length <= most) return { shown: all, others: 0, rest: 0, total };
  const order = [...all].sort((x, y) => Math.abs(y.product) - Math.abs(x.product));
  const shown = order.slice(0, most), others = all.length - most;
  const rest = order.slice(most).reduce((sum, { product }) => sum + product, 0);
  return { shown, others, rest, total };
}

/** For each row the weight on what it may not read. */
export function leaks(weights, T, may) {
  return Array.from({ length: T }, (_, row) => {
    let sum = 0;
    for (let column = 0; column < T; column++)
      if (!may(row, column)) sum += weights[row * T + column];
    return sum;
  });
}

/** What became of a guess which token a row reads most. */
export function verdict(scores, weights, guess) {
  const best = weights.reduce((at, weight, i) => (weight > weights[at] ? i : at), 0);
  const ties = weights.reduce((count, weight) => count + (weights[best] - weight < 1e-9), 0);
  const order = [...weights.keys()].filter((i) => i !== best).sort((i, j) => weights[j] - weights[i]);
  const other = guess === best || guess === null ? order[0] : guess;
  const right = guess !== null && weights[best] - weights[guess] < 1e-9;
  const ratio = other === undefined ? 1 : weights[best] / weights[other];
  return { best, other, right, ties, apart: scores[best] - scores[other], ratio };
}

/** A number as text: `digits` decimals, fewer where it is a short one, more where it is small. */
export function written(value, digits = 2) {
  if (value === Infinity || value === -Infinity) return value > 0 ? "∞" : "−∞";
  const short = Number(value.toFixed(digits - 1));
  if (Math.abs(value - short) < 1e-5) return `${short}`.replace("-0", "0").replace("-", "−");
  const size = Math.abs(value);
  const small = (size < 0.1) + (size < 0.01);
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : Math.min(4, digits + small);
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? (0).toFixed(decimals) : text).replace("-", "−");
}

/** A number as it stands in a cell `wide` pixels wide, among numbers up to `most`. */
export function brief(value, wide, most, { exact = false, share = false } = {}) {
  if (exact || !Number.isFinite(value)) return written(value, wide < 30 ? 1 : wide < 42 ? 2 : 3);
  if (share && wide < 42) return value ? value.toFixed(2).replace(/^0/, "") : "0";
  const decimals = most >= 100 && wide < 34 ? 0 : most >= 10 || wide < 30 ? 1 : 2;
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? (0).toFixed(decimals) : text).replace("-", "−");
}

// ---------------------------------------------------------------- the picture

/**
 * Where the matrices of a step stand in a stage `width` wide. A product has its left matrix left
 * of it, row beside row, and its right one above it, column above column.
 */
export function layout(step, width, T, [D, V]) {
  const labels = Math.round(Math.min(84, width * 0.19)), gap = 10, room = width - labels - gap;
  const shows = STEPS[step].shows, cap = T <= FEW ? 52 : 36, tall = 400;
  const place = (kind, x, y, w, h) => {
    const rows = kind === "kT" ? D : T, columns = { q: D, k: D, v: V, output: V }[kind] ?? T;
    return { kind, x, y, w, h, rows, columns };
  };
  if (step === 0) {
    const w = Math.min((room - gap) / 3, Math.max(D, V) * cap);
    const h = Math.min(tall, T * Math.min(cap, 30));
    const panels = shows.map((kind, i) => place(kind, labels + i * (w + gap), 0, w, h));
    return { labels, panels, bottom: h };
  }
  const [left, right] = { q: [D, T], weights: [T, V] }[shows[0]] ?? [T, T];
  const alike = Math.min(cap, room / (left + right), tall / T);
  let wide = left * alike, far = right * alike, row = alike; // one size of cell for all
  if (alike < 22) { // no room for digits in both: the result gets more of it
    wide = (step === 5 ? 0.42 : 0.3) * room;
    far = room - wide;
    row = Math.min(cap, Math.max(Math.min(16, 200 / T), (step === 5 ? wide : far) / T), tall / T);
    if (left === T) wide = Math.min(wide, T * row);
    if (right === T) far = Math.min(far, T * row);
  }
  const above = shows[1] === "kT" ? Math.min(D * row, 110) : shows[1] ? Math.min(T * row, 170) : 0;
  const x = labels + wide + gap, y = above ? above + gap : 0;
  const panels = [place(shows[0], labels, y, wide, T * row)];
  if (above) panels.push(place(shows[1], x, 0, far, above));
  panels.push(place(shows[2], x, y, far, T * row));
  return { labels, panels, bottom: y + T * row };
}

/** The largest magnitude of a matrix, −∞ left out; 1 where all is 0. */
export function reach(values) {
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (size > most && size < Infinity) most = size;
  }
  return most || 1;
}

/** How strongly a cell is coloured, −1 to 1; NaN where it has no number at all. */
export function strength(kind, value, most) {
  if (kind === "weights") return Math.sqrt(value);
  return Number.isFinite(value) ? value / most : NaN;
}

/** The colour of one cell of a matrix, as `pixels` draws it. */
export function shade(kind, value, most, palette, what) {
  return [...pixels(kind, Float64Array.of(value), 1, most, palette, () => what).subarray(0, 3)];
}

/** Black or white, whichever can be read better on a colour; as .gpt-on does it. */
export function legible(on) {
  const part = (c) => (c <= 10 ? c / 3295 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = on.reduce((sum, c, i) => sum + part(c) * [0.2126, 0.7152, 0.0722][i], 0);
  return luminance > 0.179 ? [0, 0, 0] : [255, 255, 255];
}

/** A matrix as RGBA, a pixel a cell: `plus`, `minus` and `leak` on `ground`; barred cells stay clear. */
export function pixels(kind, values, columns, most, palette, state) {
  const image = new Uint8ClampedArray(4 * values.length), { plus, minus, leak, ground } = palette;
  const [red, green, blue] = ground;
  for (let at = 0, row = 0, column = 0, to = 0; at < values.length; at++, column++, to += 4) {
    if (column === columns) [row, column] = [row + 1, 0];
    const what = state?.(row, column), share = strength(kind, values[at], most);
    if (what === "barred" || Number.isNaN(share)) continue;
    const colour = what === "leaking" ? leak : share < 0 ? minus : plus, size = Math.abs(share);
    image[to] = red + size * (colour[0] - red);
    image[to + 1] = green + size * (colour[1] - green);
    image[to + 2] = blue + size * (colour[2] - blue);
    image[to + 3] = 255;
  }
  return image;
}

/** Which cell of a matrix belongs to query token `q`, key token `k` and number `j` of a vector. */
export function cellOf(kind, { q, k, j }) {
  if (kind === "q" || kind === "output") return { row: q, column: j };
  if (kind === "kT") return { row: j, column: k };
  return kind === "k" || kind === "v" ? { row: k, column: j } : { row: q, column: k };
}

/** The other way round: what pointing at a cell chooses. */
export function pointAt(kind, { row, column }) {
  if (kind === "q" || kind === "output") return { kind, q: row, j: column };
  if (kind === "kT") return { kind: "k", j: row, k: column };
  return kind === "k" || kind === "v" ? { kind, k: row, j: column } : { kind, q: row, k: column };
}
