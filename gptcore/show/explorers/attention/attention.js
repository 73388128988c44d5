// The attention explorer: every layer and head of a model on a text, one head enlarged, and for
// one token what it reads and what reads it. Positions, layers and heads count from 0.
//
// The weights of a head are a lower triangle of bytes, row by row; a byte is 255 √weight.

import {
  along, button, cellAt, cellBox, choose, h, hit, idFor, later, mount, pointing, rgb, say, typing,
  unseen, within,
} from "../shared/kit.js";
import {
  buildTexts, fillTexts, listenToTexts, looksOf, signs, spoken,
} from "../shared/texts.js";

export const STATISTICS = {
  distance: ["tokens back", "tokens looked back"],
  first: ["first token", "weight on the first token"],
  previous: ["token before", "weight on the token before"],
  itself: ["itself", "weight on itself"],
  spread: ["tokens wide", "tokens it is spread over"],
};
const SHOWN = 5; // tokens in each list of weights
const LABELLED = 26; // tokens up to which each row of the large matrix has its label
const WEIGHT = Float64Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);
const SURPRISE = WEIGHT.map((weight) => (weight ? -weight * Math.log(weight) : 0));
const [READS, READERS] = ["--gpt-1", "--gpt-2"].map((hue) => // the wash over a token, by its byte
  Array.from({ length: 256 }, (_, byte) => {
    return `color-mix(in srgb, var(${hue}) ${((46 * byte) / 255).toFixed(1)}%, transparent)`;
  }),
);

// ---------------------------------------------------------------- numbers

/** How many weights stand before row `q` of a triangle. */
export const start = (q) => (q * (q + 1)) / 2;

/** The triangle of head number `index`, counted through all layers. */
export function triangle(weights, index, size) {
  const length = start(size);
  return new Uint8Array(weights.buffer, weights.byteOffset + index * length, length);
}

/** What `token` reads: the bytes of its row, for positions 0 to `token`. */
export const reads = (bytes, token) => bytes.subarray(start(token), start(token + 1));

/** What reads `token`: the bytes of its column, for positions `token` to the last. */
export function readers(bytes, token, size) {
  return Uint8Array.from({ length: size - token }, (_, i) => bytes[start(token + i) + token]);
}

/** The largest weights of a row or column that begins at position `from`, largest first. */
export function strongest(bytes, from, count) {
  const found = Array.from(bytes, (byte, i) => ({ position: from + i, weight: WEIGHT[byte] }));
  return found
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || a.position - b.position)
    .slice(0, count);
}

/** A head in five numbers: means over all tokens but the first, which can read only itself. */
export function summarise(bytes, size) {
  let distance = 0, first = 0, previous = 0, itself = 0, entropy = 0, rows = 0;
  for (let q = 1; q < size; q++) {
    const row = reads(bytes, q);
    let total = 0, far = 0, surprise = 0;
    for (let k = 0; k <= q; k++) {
      const weight = WEIGHT[row[k]];
      if (!weight) continue;
      total += weight;
      far += weight * (q - k);
      surprise += SURPRISE[row[k]];
    }
    if (!total) continue;
    rows += 1; // shares of the row's own sum, so that rounding to bytes cancels out
    distance += far / total;
    first += WEIGHT[row[0]] / total;
    previous += WEIGHT[row[q - 1]] / total;
    itself += WEIGHT[row[q]] / total;
    entropy += surprise / total + Math.log(total);
  }
  const mean = (sum) => sum / rows; // NaN for a text of one token
  return {
    distance: mean(distance),
    first: mean(first),
    previous: mean(previous),
    itself: mean(itself),
    spread: Math.exp(mean(entropy)),
  };
}

/** A weight or a statistic as text: no more digits than a byte carries. */
export function written(value) {
  if (Number.isNaN(value)) return "–";
  return value >= 10 ? value.toFixed(1) : value.toFixed(value >= 0.0995 || value === 0 ? 2 : 3);
}

/** The picture of a triangle as RGBA, `size` × `size`: `ground` for weight 0, `heat` for 1. */
export function pixels(bytes, size, heat, ground) {
  const inks = new Uint8ClampedArray(4 * 256), image = new Uint8ClampedArray(4 * size * size);
  for (let byte = 0; byte < 256; byte++) {
    for (let c = 0; c < 3; c++)
      inks[4 * byte + c] = ground[c] + (byte / 255) * (heat[c] - ground[c]);
    inks[4 * byte + 3] = 255;
  }
  const ink = new Uint32Array(inks.buffer), whole = new Uint32Array(image.buffer); // pixel by pixel
  for (let q = 0, i = 0; q < size; q++)
    for (let at = q * size, end = at + q; at <= end; at++, i++) whole[at] = ink[bytes[i]];
  return image;
}

/** The cell under a point of a picture `side` wide, or null where nothing can be read. */
export function readAt(x, y, side, size) {
  const cell = cellAt(x, y, { w: side, h: side, rows: size, columns: size });
  return cell && cell.column <= cell.row ? { q: cell.row, k: cell.column } : null;
}

/** The box nearest to box `at` in the next line of boxes below (step 1) or above (step -1). */
export function lineStep(boxes, at, step) {
  const { x, y } = boxes[at];
  const beyond = boxes.map((box, i) => ({ ...box, i })).filter((box) => (box.y - y) * step > 1);
  const next = step * Math.min(...beyond.map((box) => box.y * step));
  const line = beyond.filter((box) => Math.abs(box.y - next) <= 1);
  const closer = (a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a);
  return line.reduce(closer, { x: Infinity, i: at }).i;
}

// ---------------------------------------------------------------- the page

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, peek: null, cell: null, drawn: {}, old: new Set() };
  view.id = idFor("attention");
  buildTexts(view);
  view.tokens = h("div", { class: "at-tokens", role: "listbox", tabindex: 0, dir: "ltr" });
  view.tokens.ariaLabel = "Tokens; arrows choose one, square brackets another head";
  view.reads = h("ol");
  view.readers = h("ol");
  view.title = h("p", { class: "at-title" });
  view.large = h("canvas", { "aria-hidden": "true" });
  view.over = h("div", { class: "at-over", "aria-hidden": "true" });
  view.matrix = h("div", { class: "at-matrix", role: "application", tabindex: 0 });
  view.matrix.ariaLabel = "Weights; up and down choose who reads, left and right what is read";
  view.matrix.append(view.large, view.over);
  view.told = h("p", { class: "at-told" });
  view.facts = h("div", { class: "at-facts" });
  view.measure = h("select");
  for (const [name, [, text]] of Object.entries(STATISTICS))
    view.measure.append(h("option", { value: name }, text));
  view.grid = h("div", { class: "at-heads", role: "group", "aria-label": "Layers and heads" });
  view.said = unseen();
  const scale = [0.01, 0.1, 0.3, 1].map((weight) =>
    h("span", {}, h("i", { style: `--strength: ${Math.sqrt(weight)}` }), `${weight}`),
  );
  view.whos = [0, 1].map(() => h("span", { class: "at-who" }));
  const list = (name, text, who, items) =>
    h("div", { class: name }, h("p", {}, who, ` ${text}`), items);
  const lists = h("div", { class: "at-lists" }, list("at-from", "reads", view.whos[0], view.reads));
  lists.append(list("at-to", "is read by", view.whos[1], view.readers));
  const enlarged = h("div", { class: "at-enlarged" }, view.title, view.matrix, view.told);
  enlarged.append(view.facts);
  const all = h("div", { class: "at-all" }, h("label", {}, "Number per head ", view.measure));
  all.append(view.grid, h("p", { class: "at-scale", "aria-hidden": "true" }, "weight", ...scale));
  view.root = h("div", { class: "gpt-explorer gpt-attention" });
  view.root.append(
    h("label", { class: "at-choice" }, "Text ", view.choice),
    ...[view.form, view.note, view.tokens, lists],
    h("div", { class: "at-panels" }, enlarged, all),
    view.said,
  );
  view.update = () => update(view);
  fillGrid(view);
  return view;
}

/** A small picture per layer and head, under the numbers of the heads. */
function fillGrid(view) {
  const { model, grid } = view;
  const heads = [...Array(model.get("n_head")).keys()];
  grid.style.setProperty("--heads", heads.length);
  const many = heads.length > 6; // too narrow for more than their numbers
  grid.classList.toggle("at-many", many);
  const names = heads.map((head) => h("span", {}, many ? `${head}` : `head ${head}`));
  grid.append(h("span", {}, many ? "head" : ""), ...names);
  view.heads = [];
  for (let layer = 0; layer < model.get("n_layer"); layer++) {
    grid.append(h("span", {}, `layer ${layer}`));
    for (const head of heads) {
      const picture = h("canvas"), caption = h("span");
      const made = button(picture);
      made.append(caption);
      view.heads.push({ layer, head, picture, caption, button: made });
      grid.append(made);
    }
  }
}

/** What is chosen now, whatever the model holds. */
function chosen({ model, peek }) {
  const looks = looksOf(model);
  const text = within(model.get("text"), looks.length);
  const size = looks[text].tokens.length, n_head = model.get("n_head");
  const layer = within(model.get("layer"), model.get("n_layer"));
  const index = layer * n_head + within(model.get("head"), n_head);
  const token = within(peek ?? model.get("token"), size);
  return { looks, text, look: looks[text], size, index, token };
}

/** Bring the page to what is chosen; only what has changed is drawn again. */
function update(view) {
  const { drawn } = view, now = chosen(view);
  const fresh = drawn.look !== now.look;
  if (drawn.looks !== now.looks.length || fresh) fillTexts(view, now);
  if (fresh) startText(view, now);
  now.bytes = triangle(now.look.weights, now.index, now.size);
  const turned = fresh || drawn.index !== now.index;
  const told = turned || drawn.statistic !== view.measure.value;
  Object.assign(drawn, { looks: now.looks.length, look: now.look, index: now.index });
  drawn.statistic = view.measure.value;
  if (told) tellHeads(view, now);
  shade(view, now);
  fillLists(view, now);
  overlay(view, now);
  tell(view, now);
  reveal(view, now.token); // what is measured comes last: the page is laid out once
  if (turned) paint(view, fresh);
}

function startText(view, { look, size }) {
  view.cell = view.peek = null;
  Object.assign(view.drawn, { colour: [], marked: null, token: null });
  view.spans = look.tokens.map((token, i) => {
    const span = h("span", { role: "option", id: `${view.id}-${i}`, class: "at-token" });
    span.append(...signs(token));
    span.dataset.at = i;
    return span;
  });
  const broken = (token) => token?.[0].includes("\n"); // of several breaks the last begins a line
  const ends = (i) => broken(look.tokens[i]) && !broken(look.tokens[i + 1]);
  view.tokens.replaceChildren(
    ...view.spans.flatMap((span, i) => (ends(i) ? [span, h("br")] : [span])),
  );
  for (const [index, head] of view.heads.entries())
    head.summary = summarise(triangle(look.weights, index, size), size);
}

/** The numbers under the heads, and those of the enlarged one. */
function tellHeads(view, { index }) {
  const name = view.measure.value, [, text] = STATISTICS[name];
  for (const [i, { layer, head, caption, button, summary }] of view.heads.entries()) {
    caption.textContent = written(summary[name]);
    button.ariaLabel = `layer ${layer} head ${head}, ${text} ${written(summary[name])}`;
    button.title = button.ariaLabel;
    button.ariaPressed = `${i === index}`;
    button.tabIndex = i === index ? 0 : -1;
  }
  const { layer, head, summary } = view.heads[index];
  view.title.textContent = `Layer ${layer}, head ${head}`;
  const fact = ([key, [label]]) => {
    return h("div", {}, h("span", {}, label), h("b", {}, written(summary[key])));
  };
  view.facts.replaceChildren(...Object.entries(STATISTICS).map(fact));
}

/** Colour the text: left of the token what it reads, right of it what reads it. */
function shade({ spans, tokens, drawn }, { bytes, size, token }) {
  const row = reads(bytes, token), column = readers(bytes, token, size);
  for (const [i, span] of spans.entries()) {
    const colour = i > token ? READERS[column[i - token]] : READS[row[i]];
    // Not by a custom property: that would restyle the insides of every token too.
    if (drawn.colour[i] !== colour) span.style.backgroundColor = drawn.colour[i] = colour;
  }
  if (spans[drawn.marked]) spans[drawn.marked].ariaSelected = "false";
  spans[token].ariaSelected = "true";
  drawn.marked = token;
  tokens.setAttribute("aria-activedescendant", spans[token].id);
}

/** Scroll the text to a token that was chosen. */
function reveal({ spans, tokens, drawn, peek, cell }, token) {
  if (drawn.token === token || (peek !== null && !cell)) return; // what is pointed at stays put
  drawn.token = token;
  const { offsetTop, offsetHeight } = spans[token], below = offsetTop + offsetHeight + 8;
  tokens.scrollTop = Math.max(tokens.scrollTop, below - tokens.clientHeight);
  tokens.scrollTop = Math.min(tokens.scrollTop, offsetTop - 8);
}

function fillLists(view, { bytes, size, token, look }) {
  const line = ({ position, weight }) => {
    const bar = h("i", { style: `--share: ${weight}` });
    const name = h("span", { class: "at-name" }, ...signs(look.tokens[position]));
    return h("li", {}, name, bar, h("b", {}, written(weight)));
  };
  for (const who of view.whos) who.replaceChildren(...signs(look.tokens[token]));
  view.now = {
    reads: strongest(reads(bytes, token), 0, SHOWN),
    readers: strongest(readers(bytes, token, size), token, SHOWN),
  };
  view.reads.replaceChildren(...view.now.reads.map(line));
  view.readers.replaceChildren(...view.now.readers.map(line));
}

/** Over the large matrix: the token's row and column, the cell pointed at, and labels. */
function overlay(view, { bytes, size, token, look }) {
  const box = (name, places, ...inside) => cellBox(name, places, size, size, ...inside);
  const label = (q) => {
    const name = h("span", {}, spoken(look.tokens[q]));
    return box(q === token ? "at-label at-chosen" : "at-label", [q + 1, q, null, 1], name);
  };
  const all = size <= LABELLED ? look.tokens.keys() : [token];
  const { cell } = view;
  view.over.replaceChildren(
    ...Array.from(all, label),
    box("at-across", [0, token, token + 1, 1]),
    box("at-down", [token, token, 1, size - token]),
    ...(cell ? [box("at-cell", [cell.k, cell.q, 1, 1])] : []),
  );
  const name = (i) => h("q", {}, spoken(look.tokens[i]));
  const weight = cell && WEIGHT[bytes[start(cell.q) + cell.k]];
  view.told.replaceChildren(
    ...(cell ? [name(cell.q), " reads ", name(cell.k), " ", h("b", {}, written(weight))]
      : ["Rows read, columns are read."]),
  );
}

/** What is chosen, as it is read aloud. */
function tell(view, { index, token, look }) {
  const { layer, head } = view.heads[index];
  const list = (found) =>
    found.map(({ position, weight }) => `${spoken(look.tokens[position])} ${written(weight)}`);
  const cell = view.cell ? `${view.told.textContent}. ` : "";
  const text =
    `${cell}Token ${token}, ${spoken(look.tokens[token])}, in layer ${layer} head ${head}. ` +
    `Reads ${list(view.now.reads).join(", ")}. Is read by ${list(view.now.readers).join(", ")}.`;
  say(view, text);
}

/** Draw the matrices in the colours that the page has now. */
function paint(view, fresh) {
  if (!view.root.isConnected) return; // the first ResizeObserver call comes when it is
  view.colours ??= ["--gpt-heat", "--gpt-surface-2"].map((name) => rgb(view, name));
  if (fresh || view.drawn.colours !== `${view.colours}`) {
    view.old = new Set(view.heads.keys());
    cancelAnimationFrame(view.frameOfHeads); // the other heads follow with the next frame
    view.frameOfHeads = requestAnimationFrame(() => view.old.forEach((i) => paintHead(view, i)));
  }
  view.drawn.colours = `${view.colours}`;
  if (view.old.has(view.drawn.index)) paintHead(view, view.drawn.index);
  const { large } = view, side = Math.round(large.clientWidth * devicePixelRatio);
  if (!side) return;
  large.width = large.height = side;
  const context = large.getContext("2d"), gap = Math.ceil(devicePixelRatio);
  context.imageSmoothingEnabled = false;
  context.drawImage(view.heads[view.drawn.index].picture, 0, 0, side, side);
  const cell = side / chosen(view).size;
  if (cell < 8 * gap) return;
  for (let at = cell; at < side - 1; at += cell) {
    context.clearRect(0, Math.round(at) - gap, side, gap);
    context.clearRect(Math.round(at) - gap, 0, gap, side);
  }
}

/** The small picture of a head, pixel by pixel. */
function paintHead(view, index) {
  const { look, size } = chosen(view), { picture } = view.heads[index];
  const image = pixels(triangle(look.weights, index, size), size, ...view.colours);
  picture.width = picture.height = size;
  picture.classList.toggle("at-coarse", size < 64);
  picture.getContext("2d").putImageData(new ImageData(image, size), 0, 0);
  view.old.delete(index);
}

// ---------------------------------------------------------------- what the reader does

function chooseText(view, text) {
  choose(view, { text });
  choose(view, { token: Math.floor((2 * chosen(view).size) / 3) });
}

function turn(view, step) {
  const count = view.heads.length, { index } = chosen(view);
  const { layer, head } = view.heads[(index + step + count) % count];
  choose(view, { layer, head });
}

function onTokenKey(view, event) {
  const { token, size } = chosen({ ...view, peek: null });
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const boxes = () => view.spans.map((span) => ({ x: span.offsetLeft, y: span.offsetTop }));
  const next = step ? lineStep(boxes(), token, step) : along(event.key, token, size);
  if (next === null) return;
  event.preventDefault();
  view.peek = view.cell = null;
  choose(view, { token: next });
}

function onMatrixKey(view, event) {
  const { token, size } = chosen({ ...view, peek: null });
  const k = view.cell?.k ?? token;
  const across = along(event.key, k, token + 1);
  const down = { ArrowUp: token - 1, ArrowDown: token + 1 }[event.key];
  if (across === null && down === undefined) return;
  event.preventDefault();
  const q = Math.max(0, Math.min(size - 1, down ?? token));
  view.peek = null;
  view.cell = { q, k: Math.min(across ?? k, q) };
  choose(view, { token: q });
}

function onHeadKey(view, event) {
  const across = view.model.get("n_head"), { index } = chosen(view);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
  const next = index + (steps[event.key] ?? 0);
  if (!(event.key in steps) || !view.heads[next]) return;
  event.preventDefault();
  turn(view, next - index);
  view.heads[next].button.focus();
}

function listenToPointer(view) {
  const { tokens, matrix, large, grid } = view;
  const token = (event) => {
    const found = hit(event, ".at-token");
    return found && +found.dataset.at;
  };
  const under = (event) => {
    const { left, top, width } = large.getBoundingClientRect();
    return readAt(event.clientX - left, event.clientY - top, width, chosen(view).size);
  };
  const point = (peek, cell) => {
    Object.assign(view, { peek, cell });
    later(view);
  };
  const keep = (at) => choose(view, { token: at });
  pointing(tokens, { under: token, show: (at) => point(at, null), keep, over: "pointerover" });
  pointing(matrix, { under, show: (cell) => point(cell?.q ?? null, cell), keep: (cell) => {
    view.cell = cell;
    choose(view, { token: cell.q });
  } });
  grid.addEventListener("click", (event) => {
    const made = hit(event, "button"), head = view.heads.find(({ button: own }) => own === made);
    if (head) choose(view, { layer: head.layer, head: head.head });
  });
}

function listen(view) {
  const { root, tokens, matrix, grid, measure } = view;
  listenToPointer(view);
  tokens.addEventListener("keydown", (event) => onTokenKey(view, event));
  matrix.addEventListener("keydown", (event) => onMatrixKey(view, event));
  grid.addEventListener("keydown", (event) => onHeadKey(view, event));
  root.addEventListener("keydown", (event) => {
    const step = { "[": -1, "]": 1, PageUp: -1, PageDown: 1 }[event.key];
    if (!step || typing(event)) return;
    event.preventDefault();
    turn(view, step);
  });
  measure.addEventListener("change", () => later(view));
  return listenToTexts(view, "attention", (text) => chooseText(view, text));
}

export default {
  render({ model, el }) {
    const view = build(model), silence = listen(view);
    const resized = () => paint(view, false);
    const painted = () => {
      view.colours = null;
      paint(view, false);
    };
    const traits = ["texts", "text", "layer", "head", "token"];
    const end = mount(el, view, { traits, resized, painted });
    return () => {
      silence();
      end();
    };
  },
};
