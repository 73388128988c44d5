// Attention, step by step: one head of a model from its queries, keys and values to its output.
// The state holds the vectors; everything after them is worked out here, so that every number can
// show the numbers that made it. Layers, heads and positions count from 0.

export const STEPS = [
  { name: "vectors", short: "q, k, v", title: "Queries, keys, values", shows: ["q", "k", "v"] },
  { name: "scores", short: "q · k", title: "Scores: q · k", shows: ["q", "kT", "scores"] },
  { name: "scaled", short: "÷ √D", title: "Scaled: scores ÷ √D", shows: ["scores", "", "scaled"] },
  { name: "masked", short: "mask", title: "Masked scores", shows: ["scaled", "", "masked"] },
  { name: "weights", short: "softmax", title: "Weights: softmax", shows: ["masked", "", "weights"] },
  { name: "output", short: "× V", title: "Output: weights × V", shows: ["weights", "v", "output"] },
];
export const MASKS = { causal: "later tokens −∞", none: "no mask", zero: "later tokens 0" };
const KEY = {
  minus: "negative", plus: "positive", barred: "may not be read",
  leaks: "weight on what may not be read",
};
// what the small pictures show: scaled scores look as scores do
const SMALL = ["q", "scores", "scores", "masked", "weights", "output"];
const ASKED = 4; // the step that the reader predicts before it is shown
const TABLE = 8; // rows in a table of terms, before the others are summed up
const FEW = 6; // numbers of a vector up to which each has room for its digits
const LABELLED = 26; // tokens up to which each row and column has its label
const MATRICES = { // in full, and where there is little room
  q: ["Q, the queries", "Q"],
  k: ["K, the keys", "K"],
  kT: ["Kᵀ, the keys on end", "Kᵀ"],
  v: ["V, the values", "V"],
  scores: ["scores", "scores"],
  scaled: ["scaled scores", "scaled"],
  masked: ["masked scores", "masked"],
  weights: ["weights", "weights"],
  output: ["output", "output"],
};

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

/** Which of two colours can be read better on a third. */
export function legible(on, ...colours) {
  const part = (c) => (c <= 10 ? c / 3295 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => rgb.reduce((sum, c, i) => sum + part(c) * [0.2126, 0.7152, 0.0722][i], 0.05);
  const contrast = (rgb) => Math.abs(Math.log(light(rgb) / light(on)));
  return colours.reduce((a, b) => (contrast(b) > contrast(a) ? b : a));
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

/** The cell under a point of a panel, or null outside. */
export function cellAt(x, y, { w, h, rows, columns }) {
  const row = Math.floor((y / h) * rows), column = Math.floor((x / w) * columns);
  return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
}

/** The cell that a key leads to, or null for other keys. */
export function moved(key, { row, column }, rows, columns) {
  const to = {
    ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
    ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
    Home: [row, 0], End: [row, columns - 1],
  }[key];
  if (!to) return null;
  const within = (value, size) => Math.max(0, Math.min(size - 1, value));
  return { row: within(to[0], rows), column: within(to[1], columns) };
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

/** A text with its spaces, line breaks and unseen characters visible, as [kind, sign]. */
export function pieces(text) {
  return (text.match(/ +|\n|[\p{C}\p{Z}]|[^\p{C}\p{Z}]+/gu) ?? []).map((part) => {
    if (part[0] === " ") return ["space", "·".repeat(part.length)];
    if (part === "\n") return ["break", "↵"];
    if (!/^[\p{C}\p{Z}]/u.test(part)) return ["text", part];
    return ["unseen", `U+${part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`];
  });
}

/** A token as it is called in a sentence: without its space, unless it is nothing else. */
export function called([text, kind]) {
  if (kind === "bytes") return text;
  const found = pieces(text), words = found.some(([what]) => what === "text");
  return found.map(([what, sign]) => (words && what === "space" ? " " : sign)).join("").trim();
}

/** What the tokens of a text are called; those that occur again have their position added. */
export function namesOf(tokens) {
  const names = tokens.map(called), count = new Map();
  for (const name of names) count.set(name, (count.get(name) ?? 0) + 1);
  return names.map((name, i) => (count.get(name) > 1 ? `${name} (${i})` : name));
}

// ---------------------------------------------------------------- the page

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, width: 0, kept: null, peek: null, open: false, asking: null, verdict: null };
  view.drawn = {};
  view.choice = h("select", { class: "text" });
  view.heads = h("select", { class: "head" });
  for (let layer = 0; layer < model.get("n_layer"); layer++)
    for (let head = 0; head < model.get("n_head"); head++)
      view.heads.append(h("option", { value: `${layer},${head}` }, `layer ${layer}, head ${head}`));
  view.box = h("textarea", { rows: 2, "aria-label": "Your own text", placeholder: "Your own text" });
  view.form = h("form", {}, view.box, h("button", { type: "submit" }, "Look at it"));
  view.form.hidden = !(model.get("live") && model.get("asks"));
  view.note = h("p", { class: "gpt-quiet", role: "status" });
  view.slider = h("input", { type: "range", min: 0, max: STEPS.length - 1, "aria-label": "Step" });
  view.small = STEPS.map(({ short }, step) => {
    const picture = h("canvas"), band = h("i");
    const button = h("button", { type: "button", tabindex: -1, "aria-hidden": "true" });
    button.append(h("span", { class: "frame" }, picture, band), h("span", { class: "short" }, short));
    button.addEventListener("click", () => choose(view, { step }));
    return { button, picture, band };
  });
  view.title = h("p", { class: "title" });
  view.text = h("p", { class: "about" });
  view.question = h("div", { class: "question", role: "group", "aria-label": "Predict first" });
  view.masks = h("div", { class: "masks", role: "group", "aria-label": "Mask" }, h("span", {}, "Mask"));
  for (const [mask, text] of Object.entries(MASKS)) {
    const button = h("button", { type: "button", "data-mask": mask }, text);
    button.addEventListener("click", () => chooseMask(view, mask));
    view.masks.append(button);
  }
  view.leak = h("p", { class: "leak", role: "status" });
  view.labels = h("div", { class: "labels", "aria-hidden": "true" });
  view.panels = [0, 1, 2].map(() => {
    const canvas = h("canvas", { "aria-hidden": "true" }), over = h("div", { class: "over" });
    const frame = h("div", { class: "panel", role: "application", tabindex: 0 }, canvas, over);
    return { frame, canvas, over };
  });
  view.stage = h("div", { class: "stage" }, view.labels, ...view.panels.map(({ frame }) => frame));
  view.detail = h("div", { class: "detail" });
  view.key = h("p", { class: "key", "aria-hidden": "true" });
  for (const [name, text] of Object.entries(KEY))
    view.key.append(h("span", { class: name }, h("i"), text));
  view.floor = h("div", { class: "floor" }, h("div", {}, view.stage, view.key), view.detail);
  view.said = h("p", { class: "gpt-unseen", "aria-live": "polite" });
  const track = h("div", { class: "track" }, ...view.small.map(({ button }) => button));
  view.root = h("div", { class: "gpt-explorer gpt-steps" });
  view.root.append(
    h("div", { class: "choices" }, h("label", { class: "wide" }, "Text ", view.choice),
      h("label", {}, "Head ", view.heads)),
    ...[view.form, view.note, h("div", { class: "steps" }, track, view.slider)],
    ...[view.title, view.text, view.masks, view.leak, view.question, view.floor, view.said],
  );
  const one = view.heads.options.length === 1;
  view.heads.parentElement.hidden = one;
  view.choice.parentElement.hidden = one && model.get("texts").length === 1;
  return view;
}

/** What is chosen now, whatever the model holds, and all its matrices. */
function chosen(view) {
  const { model } = view, own = model.get("own"), sizes = model.get("sizes");
  const looks = [...model.get("texts"), ...(own.tokens ? [own] : [])];
  const within = (value, size) => Math.max(0, Math.min(size - 1, value));
  const text = within(model.get("text"), looks.length), look = looks[text];
  const layer = within(model.get("layer"), model.get("n_layer"));
  const head = within(model.get("head"), model.get("n_head"));
  const index = layer * model.get("n_head") + head, T = look.tokens.length;
  const step = within(model.get("step"), STEPS.length), mask = model.get("mask");
  if (view.look !== look || view.index !== index) {
    const may = reader(T, look.may?.[layer]);
    Object.assign(view, { may, vectors: vectors(look, index, sizes), walks: {} });
    if (view.look !== look) view.kept = { kind: "q", q: Math.floor((2 * (T - 1)) / 3), k: 0, j: 0 };
    Object.assign(view, { look, index, peek: null, verdict: null });
    if (view.asking !== null) ask(view, T);
  }
  const at = (name) => (view.walks[name] ??= walk(view.vectors, T, view.may, name, view.walks.causal));
  const right = at("causal");
  const digits = look.exact ? 3 : 2;
  return { looks, text, look, layer, head, T, step, mask, sizes, digits, all: at(mask), right };
}

/** Bring the page to what is chosen. Pointing draws no matrix again. */
function update(view) {
  if (!view.width) return; // a call of the ResizeObserver comes when there is one
  if (!view.palette) recolour(view);
  const now = chosen(view), { drawn } = view;
  if (now.step > ASKED || now.T === 1) [view.open, view.asking] = [true, null];
  if (now.step === ASKED && !view.open && view.asking === null) ask(view, now.T);
  const kind = STEPS[now.step].shows[2];
  if (drawn.step !== now.step) {
    view.kept = { ...view.kept, kind: now.step ? kind : "q" };
    view.peek = null;
  }
  const key = [now.text, view.index, now.step, now.mask, view.open, now.looks.length].join();
  if (drawn.key !== key || drawn.look !== now.look) {
    Object.assign(drawn, { key, look: now.look, step: now.step });
    fillChoices(view, now);
    tell(view, now);
    paint(view);
  }
  fillQuestion(view, now);
  point(view, now);
}

function fillChoices(view, { looks, text, look, layer, head, step, mask }) {
  view.choice.replaceChildren(...looks.map(({ name }, i) => h("option", { value: i }, name)));
  view.choice.value = text;
  view.heads.value = `${layer},${head}`;
  const cut = look.of > look.tokens.length;
  view.note.textContent = cut
    ? `The first ${look.tokens.length} of ${look.of.toLocaleString("en")} tokens.`
    : view.model.get("own").error ?? "";
  view.note.hidden = !view.note.textContent;
  view.slider.value = step;
  view.slider.setAttribute("aria-valuetext", `${step + 1} of ${STEPS.length}: ${STEPS[step].title}`);
  for (const [i, { button }] of view.small.entries()) {
    button.classList.toggle("now", i === step);
    button.classList.toggle("done", i < step);
  }
  for (const button of view.masks.querySelectorAll("button"))
    button.ariaPressed = `${button.dataset.mask === mask}`;
}

/** The sentences of a step: what happens, and what to notice. */
export function about(step, mask, D) {
  const root = written(Math.sqrt(D), 3), exactly = Number.isInteger(Math.sqrt(D)) ? "=" : "≈";
  const broken = { "3,none": OPEN, "3,zero": ZERO, "4,none": OPEN_SHARES, "4,zero": ZERO_SHARES };
  return broken[[step, mask]] ?? [
    "This head has made three vectors of every token: a query, to be matched with keys; a key, " +
      "to be matched with queries; a value, to be passed on. " +
      `D = ${D}: the numbers in a query, and in a key.`,
    `Every query meets every key: D = ${D} products, one sum. The score is large where both ` +
      "vectors have large numbers of the same sign in the same places.",
    `Every score is divided by √${D} ${exactly} ${root}. A sum of D independent products is about ` +
      "√D times as large as one of them; divided, scores have about one size in narrow and wide " +
      "heads. Both matrices share one scale of colour.",
    "A token may read itself and what came before. The score of every later token becomes −∞; " +
      "the others stay as they are.",
    "Each row becomes shares of 1: e to each score, divided by the row's sum. e to the −∞ is 0, " +
      "so later tokens get nothing, and differences between scores become ratios of weights.",
    "Each row's weights mix the value vectors, number by number: a weighted sum of the rows of " +
      "V. That is the head's output; a model puts the outputs of its heads side by side, and " +
      "c_proj mixes them.",
  ][step];
}

const OPEN =
  "The mask is taken away: the scores of later tokens stay, and the softmax will count them.";
const ZERO =
  "Later tokens get the score 0 in place of −∞. Zero is a score like any other: e⁰ = 1.";
const OPEN_SHARES =
  "Each row becomes shares of 1: e to each score, divided by the row's sum. No score is −∞ now, " +
  "so later tokens get their share, and the others have less.";
const ZERO_SHARES =
  "Each row becomes shares of 1. A later token with the score 0 counts as e⁰ = 1: more than any " +
  "earlier token whose score is negative.";

function tell(view, now) {
  const { step, mask, sizes, T, look, all, right } = now;
  view.title.replaceChildren(
    h("span", { class: "count" }, `${step + 1} of ${STEPS.length}`), ` ${STEPS[step].title}`,
  );
  view.text.textContent = about(step, mask, sizes[0]);
  view.masks.hidden = step < 3;
  view.key.className = `key at-${STEPS[step].name} ${mask}`;
  view.leak.hidden = step < 4 || mask === "causal" || !view.open;
  const leak = () => leakText(namesOf(look.tokens), all, right, T, view.may);
  view.leak.textContent = view.leak.hidden ? "" : leak();
}

/** What a broken mask has changed, in numbers. */
export function leakText(names, all, right, T, may) {
  const sums = leaks(all.weights, T, may), worst = sums.indexOf(Math.max(...sums));
  if (!sums[worst]) return "Here nothing changes: there is nothing that a token may not read.";
  const mean = sums.reduce((a, b) => a + b, 0) / T, last = (T - 1) * T;
  const far = (weight, i) => Math.abs(weight - right.weights[last + i]) > 1e-9;
  const changed = all.weights.subarray(last).some(far);
  let text = `The future leaks. “${names[worst]}” (row ${worst}) now puts ${written(sums[worst])} `;
  text += "of its weight on tokens that it may not read; with the mask it put 0 there. ";
  text += `The mean over all rows is ${written(mean)}. `;
  if (!changed) text += "Only the last row is as before: no token comes after it. ";
  return `${text}In training each row is to predict the token after it; here it can read it.`;
}

// ---------------------------------------------------------------- predict first

function ask(view, T) {
  const from = view.kept.q;
  const asking = from > 0 || T < 3 ? from : Math.floor((2 * (T - 1)) / 3);
  Object.assign(view, { asking, open: false });
  view.kept = { ...view.kept, kind: "weights", q: view.asking, k: 0 };
}

function answer(view, guess) {
  const { look, all, T } = chosen(view), row = view.asking, cut = [row * T, (row + 1) * T];
  const scores = all.masked.subarray(...cut), weights = all.weights.subarray(...cut);
  const found = verdict(scores, weights, guess), names = namesOf(look.tokens);
  Object.assign(view, { open: true, asking: null, peek: null });
  view.kept = { kind: "weights", q: row, k: found.best, j: view.kept.j };
  view.verdict = { row, text: verdictText(found, names, weights, guess) };
  later(view);
}

/** The answer to the reader's guess. */
export function verdictText({ best, other, right, ties, apart, ratio }, names, weights, guess) {
  const name = (i) => `“${names[i]}”`, share = (i) => written(weights[i]);
  const start = guess === null ? "" : right ? "Yes. " : `You chose ${name(guess)}. `;
  if (ties > 1) return `${start}${ties} tokens share the most weight, ${share(best)} each.`;
  const most = `${name(best)} gets most weight: ${share(best)}. `;
  if (other === undefined) return start + most;
  if (!weights[other]) return `${start}${most}${name(other)} gets 0: e to the −∞.`;
  const than = `The score of ${name(other)} is ${written(apart)} lower, `;
  const factor = `e to the ${written(apart)} = ${written(ratio)}`;
  return `${start}${most}${than}so its weight is smaller by the factor ${factor}: ${share(other)}.`;
}

function fillQuestion(view, { step, T, look }) {
  const { question, verdict: told } = view;
  const key = step !== ASKED ? "" : view.asking !== null ? `${view.asking}` : told?.text ?? "open";
  question.hidden = !key || T === 1;
  if (view.drawn.question === key && view.drawn.asked === look) return;
  Object.assign(view.drawn, { question: key, asked: look });
  const more = told ? "Ask me about another token" : "Ask me about a token";
  const again = h("button", { type: "button" }, more);
  again.addEventListener("click", () => {
    view.kept = { ...view.kept, q: (view.kept.q + 1) % T };
    view.verdict = null;
    ask(view, T);
    later(view);
  });
  question.classList.toggle("asks", view.asking !== null || told !== null);
  if (view.asking === null) {
    question.replaceChildren(...(told ? [h("p", {}, told.text)] : []), again);
    return;
  }
  const names = namesOf(look.tokens), name = (i) => h("q", {}, names[i]);
  const text = h("p", {}, h("b", {}, "Predict first. "), "Which token will ", name(view.asking));
  text.append(` (row ${view.asking}) give most weight? Choose its cell in that row`);
  const chips = h("div", { class: "chips" });
  if (T <= LABELLED) {
    text.append(", or its name:");
    names.forEach((token, i) => {
      const chip = h("button", { type: "button" }, token);
      chip.addEventListener("click", () => answer(view, i));
      chips.append(chip);
    });
  } else text.append(".");
  const skip = h("button", { type: "button", class: "skip" }, "Show me");
  skip.addEventListener("click", () => answer(view, null));
  chips.append(skip);
  question.replaceChildren(text, chips);
}

// ---------------------------------------------------------------- drawing

/** Whether a weight is barred by the mask, or leaks through a broken one; a barred score is −∞. */
function stateOf(view, kind, mask) {
  if (kind !== "weights") return undefined;
  const barred = mask === "causal" ? "barred" : "leaking";
  return (row, column) => (view.may(row, column) ? "" : barred);
}

/** Read the page's colours; what was drawn in others is forgotten. */
function recolour(view) {
  const names = { plus: "1", minus: "2", leak: "4", ground: "surface-2", ink: "ink", paper: "surface" };
  view.pictures = new WeakMap();
  view.palette = Object.fromEntries(Object.entries(names).map(([name, variable]) => {
    view.said.style.color = `var(--gpt-${variable})`;
    return [name, getComputedStyle(view.said).color.match(/[\d.]+/g).slice(0, 3).map(Number)];
  }));
}

/** A canvas with one pixel per cell. */
function small(image, rows, columns) {
  const canvas = h("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  canvas.getContext("2d").putImageData(new ImageData(image, columns, rows), 0, 0);
  return canvas;
}

/** The picture of a matrix, made once for its numbers, its scale and the page's colours. */
function pictureOf(view, kind, values, columns, most, mask) {
  const made = view.pictures.get(values);
  if (made?.most === most) return made.canvas;
  const image = pixels(kind, values, columns, most, view.palette, stateOf(view, kind, mask));
  const canvas = small(image, values.length / columns, columns);
  view.pictures.set(values, { most, canvas });
  return canvas;
}

/** Draw all matrices in the colours and the width that the page has now. */
function paint(view) {
  const now = chosen(view), { step, T, sizes, mask } = now;
  const room = layout(step, view.width, T, sizes);
  view.room = room;
  const scale = step === 2 ? { scores: reach(now.all.scores), scaled: reach(now.all.scores) } : {};
  const top = fillLabels(view, now, room);
  const { x, w } = room.panels.at(-1);
  view.stage.style.width = `${Math.max(x + w, 200)}px`;
  view.stage.style.height = `${top + room.bottom + 24}px`;
  view.labels.style.top = `${top}px`;
  for (const [i, part] of view.panels.entries()) {
    const place = room.panels[i];
    part.frame.hidden = !place;
    part.place = place;
    if (place) drawPanel(view, now, part, scale[place.kind], top);
  }
  for (const [i, { picture, button }] of view.small.entries()) {
    const kind = SMALL[i], hidden = i >= ASKED && !view.open;
    button.classList.toggle("hidden", hidden);
    const values = now.all[kind], columns = values.length / T;
    picture.width = columns;
    picture.height = T;
    if (hidden) continue;
    const drawn = pictureOf(view, kind, values, columns, reach(values), mask);
    picture.getContext("2d").drawImage(drawn, 0, 0);
  }
}

function drawPanel(view, now, part, most, top) {
  const { frame, canvas, place } = part, { kind, x, y, w, h: high, rows, columns } = place;
  const hidden = kind === "weights" && !view.open;
  for (const [side, size] of Object.entries({ left: x, top: top + y, width: w, height: high }))
    frame.style[side] = `${size}px`;
  frame.ariaLabel = `${MATRICES[kind][0]}, ${rows} rows, ${columns} columns; arrows choose a cell`;
  frame.dataset.kind = kind;
  const values = now.all[kind];
  most ??= reach(values);
  part.most = most;
  const ratio = devicePixelRatio, context = canvas.getContext("2d");
  [canvas.width, canvas.height] = [Math.round(w * ratio), Math.round(high * ratio)];
  frame.classList.toggle("hidden", hidden);
  const barred = kind === "masked" || kind === "weights";
  frame.classList.toggle("hatched", barred && now.mask === "causal");
  if (hidden) return;
  context.imageSmoothingEnabled = false;
  const picture = pictureOf(view, kind, values, columns, most, now.mask);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const wide = w / columns, tall = high / rows;
  if (wide < 22 || tall < 15) return;
  context.scale(ratio, ratio);
  drawGaps(context, place);
  drawDigits(context, view, now, place, values, most);
}

function drawGaps(context, { w, h: high, rows, columns }) {
  for (let row = 1; row < rows; row++) context.clearRect(0, (row * high) / rows - 0.5, w, 1);
  for (let column = 1; column < columns; column++)
    context.clearRect((column * w) / columns - 0.5, 0, 1, high);
}

function drawDigits(context, view, now, place, values, most) {
  const { w, h: high, rows, columns, kind } = place, wide = w / columns, tall = high / rows;
  const state = stateOf(view, kind, now.mask);
  const family = getComputedStyle(view.root).fontFamily, room = wide - 4;
  const form = { exact: now.digits === 3, share: kind === "weights" }, size = reach(values);
  context.font = `${Math.min(13, Math.max(10, wide * 0.34))}px ${family}`;
  Object.assign(context, { textAlign: "center", textBaseline: "middle" });
  const { ink, paper } = view.palette, rgb = (colour) => `rgb(${colour.join()})`;
  for (let at = 0; at < values.length; at++) {
    const row = Math.floor(at / columns), column = at % columns;
    const what = state?.(row, column), share = strength(kind, values[at], most);
    const plain = what === "barred" || Number.isNaN(share);
    const on = plain ? paper : shade(kind, values[at], most, view.palette, what);
    context.fillStyle = rgb(plain ? ink : legible(on, ink, paper));
    const text = brief(values[at], wide, size, form);
    context.fillText(text, (column + 0.5) * wide, (row + 0.5) * tall + 1, room);
  }
}

/** Names of tokens and matrices around the panels; how much room those above the first need. */
function fillLabels(view, { look, T, step }, { labels, panels }) {
  const names = look.tokens.map(called), every = T <= LABELLED ? [...names.keys()] : [null];
  const upper = panels.length === 3 && step ? panels[1] : null;
  view.labels.replaceChildren();
  view.marks = { rows: [], columns: [] };
  const headed = upper?.kind === "kT" ? [upper] : step && !upper ? panels : [];
  const tops = headed.map((panel) => columnNames(view, panel, panels.at(-1), names, every));
  rowNames(view, { ...panels[0], x: labels, of: step ? "q" : "all" }, names, every);
  if (upper?.kind === "v") rowNames(view, { ...upper, of: "k" }, names, every);
  for (const panel of panels) caption(view, panel, panel === upper);
  return Math.max(0, ...tops, upper?.kind === "v" ? 22 : 0);
}

function put(view, className, style, text) {
  const element = h("div", { class: className }, h("span", {}, text));
  for (const [name, value] of Object.entries(style)) element.style[name] = `${value}px`;
  view.labels.append(element);
  return element;
}

function columnNames(view, { x, y, w, kind }, last, names, every) {
  const cell = w / names.length, longest = Math.max(...names.map((name) => name.length));
  if (cell < 11 && every[0] !== null && kind !== last.kind) return 0; // the last one has them too
  const flat = cell > longest * 7.5 + 4, height = flat ? 20 : Math.min(64, longest * 7 + 8);
  for (const i of every) {
    const style = { left: x + cell * (i ?? 0), top: y - height - 2, width: Math.max(cell, 14), height };
    const element = put(view, flat ? "column flat" : "column", style, names[i] ?? "");
    view.marks.columns.push({ element, i, x, cell });
  }
  return height + 2;
}

function rowNames(view, { kind, x, y, h: high, of }, names, every) {
  const cell = high / names.length, width = x - 6;
  if (cell < 11 && every[0] !== null && kind === "v") return;
  for (const i of every) {
    const style = { left: 0, top: y + cell * (i ?? 0), width, height: Math.max(cell, 14) };
    const element = put(view, cell < 17 ? "rowname tight" : "rowname", style, names[i] ?? "");
    view.marks.rows.push({ element, i, y, cell, of });
  }
}

/** A matrix's name and size: below it, or beside Kᵀ and above V, where there is room. */
function caption(view, { kind, x, y, w, h: high, rows, columns }, upper) {
  let style = { left: x, width: w, top: y + high + 2, height: 36 };
  if (upper && kind === "kT") style = { left: 0, width: x - 6, top: y + high - 34, height: 34 };
  if (upper && kind === "v") style = { left: x, width: w, top: y - 20, height: 18 };
  const [full, short] = MATRICES[kind], beside = upper && kind === "kT";
  const name = h("b", {}, style.width < (beside ? 210 : 150) ? short : full);
  const element = put(view, beside ? "caption beside" : "caption", style, name);
  element.firstChild.append(h("small", {}, ` ${rows} × ${columns}`));
}

const within = (value, size) => Math.max(0, Math.min(size - 1, value));

/** What is pointed at, or else what was chosen last, kept inside the matrices. */
function focusOf(view, { T, sizes }) {
  const at = { ...view.kept, ...view.peek };
  const width = at.kind === "v" || at.kind === "output" ? sizes[1] : sizes[0];
  return { ...at, q: within(at.q, T), k: within(at.k, T), j: within(at.j, width) };
}

/** Show what is pointed at: its cell, the row and the column that made it, and the sum. */
function point(view, now) {
  const at = focusOf(view, now), { step, T } = now;
  const made = step ? STEPS[step].shows[2] : at.kind;
  for (const { frame, over, place } of view.panels) {
    if (frame.hidden || !place) continue;
    const { kind, rows, columns } = place, { row, column } = cellOf(kind, at);
    const box = (name, x, y, w, high) => {
      const element = h("div", { class: name });
      Object.assign(element.style, {
        left: `${(100 * x) / columns}%`, top: `${(100 * y) / rows}%`,
        width: `${(100 * w) / columns}%`, height: `${(100 * high) / rows}%`,
      });
      return element;
    };
    const across = box("band", 0, row, columns, 1), down = box("band", column, 0, 1, rows);
    const boxes = [], mine = at.kind === (kind === "kT" ? "k" : kind);
    if (kind === "kT" || (kind === "v" && step === 5)) boxes.push(down);
    else if (step === 0) boxes.push(box("band", 0, cellOf(at.kind, at).row, columns, 1));
    else if (kind === "q") boxes.push(across);
    else if (kind === "weights" && step === 5) boxes.push(across);
    else if (step === ASKED) boxes.push(across);
    if (kind === made || mine || (step > 1 && step < 5)) boxes.push(box("cell", column, row, 1, 1));
    over.replaceChildren(...boxes);
  }
  markLabels(view, at, now);
  const row = step ? at.q : cellOf(at.kind, at).row;
  for (const { band } of view.small)
    Object.assign(band.style, { top: `${(100 * row) / T}%`, height: `${100 / T}%` });
  fillDetail(view, now, at);
}

function markLabels(view, at, { look }) {
  for (const { element, i, y, cell, of } of view.marks?.rows ?? []) {
    const mine = of === "all" ? cellOf(at.kind, at).row : at[of];
    element.classList.toggle("chosen", i === null || i === mine);
    if (i !== null) continue;
    element.style.top = `${y + (mine + 0.5) * cell - 7}px`;
    element.firstChild.textContent = called(look.tokens[mine]);
  }
  for (const { element, i, x, cell } of view.marks?.columns ?? []) {
    element.classList.toggle("chosen", i === null || i === at.k);
    if (i !== null) continue;
    element.style.left = `${x + (at.k + 0.5) * cell - 7}px`;
    element.firstChild.textContent = called(look.tokens[at.k]);
  }
}

// ---------------------------------------------------------------- the sum behind a cell

/** A table of terms: heads, rows of [name, …numbers, share of a bar or null], and a last row. */
function table(heads, rows, foot) {
  const cells = (tag, texts) => texts.map((text) => h(tag, {}, text));
  const body = rows.map(({ texts, bar, marked, leaks }) => {
    const line = h("tr", marked ? { class: "marked" } : {}, ...cells("td", texts));
    if (bar !== undefined) line.append(h("td", { class: "bar" }, h("i", { style: `--share: ${bar}` })));
    if (bar < 0 || leaks) line.lastChild.firstChild.className = leaks ? "leaks" : "minus";
    return line;
  });
  const line = h("tr", {}, ...cells("th", heads), h("th"));
  const end = h("tr", { class: "sum" }, ...cells("td", foot), h("td"));
  return h("table", {}, h("thead", {}, line), h("tbody", {}, ...body, end));
}

/** The title of a detail, and what it is made of. */
function fillDetail(view, now, at) {
  const { all, T, look, sizes, mask } = now, names = namesOf(look.tokens);
  const n = (value) => written(value, now.digits);
  const key = [view.drawn.key, at.kind, at.q, at.k, at.j, mask].join();
  if (view.drawn.detail === key && view.drawn.detailed === look) return;
  Object.assign(view.drawn, { detail: key, detailed: look });
  if (view.asking !== null && at.kind === "weights") return view.detail.replaceChildren();
  const context = { view, all, T, names, sizes, at, n, mask, right: now.right };
  view.detail.replaceChildren(...DETAILS[at.kind](context));
  const text = view.detail.querySelector(".made")?.textContent ?? "";
  clearTimeout(view.saying);
  if (text !== view.said.textContent)
    view.saying = setTimeout(() => (view.said.textContent = text), 400);
}

const title = (...parts) => h("p", { class: "made" }, ...parts);
const quote = (name) => h("q", {}, name);
const power = (text) => h("span", {}, "e", h("sup", {}, text));

function detailVector({ all, at, names, sizes, n }) {
  const { row, column } = cellOf(at.kind, at), width = at.kind === "v" ? sizes[1] : sizes[0];
  const name = { q: "query", k: "key", v: "value" }[at.kind];
  const value = h("b", {}, n(all[at.kind][row * width + column]));
  const where = ` (of ${width}, counted from 0): `;
  return [title(`Number ${at.j} of the ${name} of `, quote(names[row]), where, value)];
}

/** The table of a sum of products; `name` says what a term is called. */
function sumTable(heads, { shown, others, rest, total }, name, n) {
  const most = Math.max(...shown.map((t) => Math.abs(t.product)), Math.abs(rest), 1e-12);
  const rows = shown.map(({ i, a, b, product }) => {
    return { texts: [name(i), n(a), n(b), n(product)], bar: product / most };
  });
  if (others) rows.push({ texts: [`the other ${others}`, "", "", n(rest)], bar: rest / most });
  return table(["", ...heads], rows, ["sum", "", "", n(total)]);
}

function detailScore({ view, all, at, names, sizes: [D], n }) {
  const q = all.q.subarray(at.q * D, (at.q + 1) * D), k = all.k.subarray(at.k * D, (at.k + 1) * D);
  const sum = terms(q, k), total = h("b", {}, n(sum.total));
  return [
    title("Query of ", quote(names[at.q]), " · key of ", quote(names[at.k]), " = ", total),
    ...(D > FEW ? [stripsOf(view, q, k, n)] : []),
    sumTable(["q", "k", "q\u00a0×\u00a0k"], sum, (i) => `number ${i}`, n),
  ];
}

/** Query, key and their products as strips of colour; pointing reads the numbers. */
function stripsOf(view, q, k, n) {
  const product = q.map((value, i) => value * k[i]), D = q.length;
  const line = [["q", q], ["k", k], ["q × k", product]].map(([name, values]) => {
    const canvas = small(pixels("q", values, D, reach(values), view.palette), 1, D);
    return h("div", {}, h("span", {}, name), canvas);
  });
  const mark = h("i"), told = h("p", { class: "told" });
  const box = h("div", { class: "strips", role: "application", tabindex: 0 }, ...line, mark);
  box.ariaLabel = "Query, key and their products; left and right read the numbers";
  let at = within(view.kept.j, D);
  const show = (j) => {
    mark.style.setProperty("--at", (j + 0.5) / D);
    mark.style.setProperty("--wide", 1 / D);
    told.textContent = `number ${j}: ${n(q[j])} × ${n(k[j])} = ${n(product[j])}`;
  };
  const under = ({ clientX }) => {
    const { left, width } = line[0].lastChild.getBoundingClientRect();
    return within(Math.floor(((clientX - left) / width) * D), D);
  };
  const keep = (j) => show((at = view.kept.j = j));
  box.addEventListener("pointermove", (event) => show(under(event)));
  box.addEventListener("pointerleave", () => show(at));
  box.addEventListener("click", (event) => keep(under(event)));
  box.addEventListener("keydown", (event) => {
    const to = moved(event.key, { row: 0, column: at }, 1, D);
    if (!to || event.key === "ArrowUp" || event.key === "ArrowDown") return;
    event.preventDefault();
    keep(to.column);
    view.said.textContent = told.textContent;
  });
  show(at);
  return h("div", {}, box, told);
}

function detailScaled({ all, at, names, sizes: [D], n, T }) {
  const i = at.q * T + at.k, root = written(Math.sqrt(D), 3);
  const sum = `: ${n(all.scores[i])} ÷ ${root} = `, result = h("b", {}, n(all.scaled[i]));
  const divisor = Number.isInteger(Math.sqrt(D)) ? `√${D} = ${root}` : `√${D} ≈ ${root}`;
  const quiet = h("p", { class: "gpt-quiet" }, divisor);
  return [title(quote(names[at.q]), " → ", quote(names[at.k]), sum, result), quiet];
}

function detailMasked({ view, all, at, names, n, T }) {
  const i = at.q * T + at.k, before = n(all.scaled[i]), after = h("b", {}, n(all.masked[i]));
  const start = [quote(names[at.q]), " → ", quote(names[at.k]), ": "];
  const where = at.q === at.k ? "a token reads itself." : "it comes before.";
  if (view.may(at.q, at.k)) return [title(...start, after, " stays: ", where)];
  const why = at.k > at.q ? "it comes after." : "this layer's pattern does not let it be read.";
  if (all.masked[i] === all.scaled[i]) return [title(...start, after, " stays, though ", why)];
  return [title(...start, `${before} becomes `, after, "; ", why)];
}

/** Which tokens a table of weights names: all of a few, else the largest and the chosen one. */
function listed(weights, scores, chosen) {
  const read = [...weights.keys()].filter((i) => scores[i] > -Infinity);
  if (read.length <= TABLE) return { some: read, others: [] };
  const order = read.sort((a, b) => weights[b] - weights[a]), first = order.slice(0, TABLE);
  if (order.includes(chosen) && !first.includes(chosen)) first.splice(TABLE - 1, 1, chosen);
  return { some: first, others: order.filter((i) => !first.includes(i)) };
}

function detailWeight({ view, all, at, names, n, T, mask, right }) {
  const cut = [at.q * T, (at.q + 1) * T], scores = all.masked.subarray(...cut);
  const weights = all.weights.subarray(...cut), kept = right.weights.subarray(...cut);
  const { powers, lowered, sum } = exponentials(scores), broken = mask !== "causal";
  const { some, others } = listed(weights, scores, at.k);
  const rows = some.map((i) => ({
    texts: [names[i], n(scores[i]), n(powers[i]), n(weights[i]), ...(broken ? [n(kept[i])] : [])],
    bar: weights[i],
    leaks: broken && !view.may(at.q, i),
    marked: i === at.k,
  }));
  const add = (values) => others.reduce((total, i) => total + values[i], 0);
  const rest = [n(add(powers)), n(add(weights)), ...(broken ? [n(add(kept))] : [])];
  if (others.length)
    rows.push({ texts: [`the other ${others.length}`, "", ...rest], bar: add(weights) });
  const less = lowered ? ` − ${n(lowered)}`.replace("− −", "+ ") : "";
  const barred = scores[at.k] === -Infinity, exponent = barred ? "−∞" : `${n(scores[at.k])}${less}`;
  const head = title(quote(names[at.q]), " → ", quote(names[at.k]), ": ", power(exponent));
  head.append(` ÷ ${n(sum)} = ${n(powers[at.k])} ÷ ${n(sum)} = `, h("b", {}, n(weights[at.k])));
  const heads = ["", "score", power(`score${less}`), "weight", ...(broken ? ["with mask"] : [])];
  const foot = ["sum", "", n(sum), n(1), ...(broken ? [n(1)] : [])];
  const why = "The same number is taken from every score of the row: it cancels.";
  const note = lowered ? [h("p", { class: "gpt-quiet" }, why)] : [];
  return [head, table(heads, rows, foot), ...note];
}

function detailOutput({ all, at, names, n, T, sizes: [, V] }) {
  const weights = all.weights.subarray(at.q * T, (at.q + 1) * T);
  const read = [...weights.keys()].filter((i) => weights[i] > 0);
  const sum = terms(read.map((i) => weights[i]), read.map((i) => all.v[i * V + at.j]));
  const total = h("b", {}, n(sum.total));
  const head = title(`Number ${at.j} of the output of `, quote(names[at.q]), " = ", total);
  const heads = ["weight", "value", "weight × value"];
  return [head, sumTable(heads, sum, (i) => names[read[i]], n)];
}

const DETAILS = {
  q: detailVector, k: detailVector, v: detailVector, scores: detailScore, scaled: detailScaled,
  masked: detailMasked, weights: detailWeight, output: detailOutput,
};

// ---------------------------------------------------------------- what the reader does

function later(view) {
  view.frame ??= requestAnimationFrame(() => {
    view.frame = undefined;
    update(view);
  });
}

function choose(view, changes) {
  for (const [name, value] of Object.entries(changes)) view.model.set(name, value);
  view.model.save_changes();
  later(view);
}

function chooseMask(view, mask) {
  view.verdict = null;
  choose(view, { mask });
}

function turn(view, step) {
  const { layer, head } = chosen(view), across = view.model.get("n_head");
  const count = across * view.model.get("n_layer");
  const index = (layer * across + head + step + count) % count;
  choose(view, { layer: Math.floor(index / across), head: index % across });
}

function onPanelKey(view, event, place) {
  const now = chosen(view), asked = view.asking !== null && place.kind === "weights";
  if (asked && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    return answer(view, focusOf(view, now).k);
  }
  view.peek = null;
  const to = moved(event.key, cellOf(place.kind, focusOf(view, now)), place.rows, place.columns);
  if (!to) return;
  event.preventDefault();
  if (asked) to.row = view.asking;
  view.kept = { ...view.kept, ...pointAt(place.kind, to) };
  later(view);
}

/** Pointing shows a cell for as long as it lasts; a click or a tap keeps it. */
function listenToPanel(view, part) {
  const { frame } = part;
  const under = (event) => {
    const { left, top } = frame.getBoundingClientRect();
    return cellAt(event.clientX - left, event.clientY - top, part.place);
  };
  const asked = () => view.asking !== null && part.place.kind === "weights";
  const found = (event) => {
    const cell = under(event);
    if (!cell) return null;
    return pointAt(part.place.kind, asked() ? { ...cell, row: view.asking } : cell);
  };
  frame.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    view.peek = found(event);
    later(view);
  });
  frame.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType === "touch") return;
    view.peek = null;
    later(view);
  });
  frame.addEventListener("click", (event) => {
    const at = found(event);
    if (!at) return;
    if (asked()) return answer(view, at.k);
    view.kept = { ...view.kept, ...at };
    view.peek = null;
    later(view);
  });
  frame.addEventListener("keydown", (event) => onPanelKey(view, event, part.place));
}

function listen(view) {
  const { model, root, choice, heads, slider, form, box } = view;
  for (const part of view.panels) listenToPanel(view, part);
  root.addEventListener("keydown", (event) => {
    const step = { "[": -1, "]": 1, PageUp: -1, PageDown: 1 }[event.key];
    if (!step || event.target.closest("select, textarea, input")) return;
    event.preventDefault();
    turn(view, step);
  });
  choice.addEventListener("change", () => choose(view, { text: +choice.value }));
  heads.addEventListener("change", () => {
    const [layer, head] = heads.value.split(",").map(Number);
    choose(view, { layer, head });
  });
  slider.addEventListener("input", () => choose(view, { step: +slider.value }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value.trim()) choose(view, { asked: box.value });
  });
  model.on("change:own", () => {
    if (model.get("own").tokens) choose(view, { text: model.get("texts").length });
    view.drawn.key = null; // an error has to be told too
    later(view);
  });
  for (const name of ["texts", "text", "layer", "head", "step", "mask"])
    model.on(`change:${name}`, () => later(view));
}

export default {
  render({ model, el }) {
    const view = build(model);
    el.append(view.root);
    view.width = view.floor.clientWidth; // 0 where the page has not taken the element in yet
    update(view);
    listen(view);
    const repaint = () => {
      view.palette = null;
      Object.assign(view.drawn, { key: null, detail: null });
      update(view);
    };
    const size = new ResizeObserver(() => {
      if (view.width === view.floor.clientWidth) return;
      view.width = view.floor.clientWidth;
      repaint();
    });
    size.observe(view.root);
    const theme = new MutationObserver(repaint);
    for (const place of [document.documentElement, document.body])
      theme.observe(place, { attributes: true });
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", repaint);
    return () => {
      size.disconnect();
      theme.disconnect();
      system.removeEventListener("change", repaint);
    };
  },
};
