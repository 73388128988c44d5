// Post-LN and pre-LN: two tables of losses by depth and learning rate, the curves of the runs behind
// the cell that is chosen, and the gradient of each block before the first update.

import { button, choose, h, idFor, mount, s, say, unseen } from "../shared/kit.js";
import { path, span, ticks } from "../shared/plot.js";
import { choosing, fillTable, tableOf } from "../shared/table.js";

const NORMS = ["post", "pre"], HUES = { post: "var(--gpt-1)", pre: "var(--gpt-2)" };
const NAMES = { post: "post-LN", pre: "pre-LN" };
const WORDS = {
  scaled: "each its own: GPT-2 scales by 1/√(2L)",
  "residual plain": "pre-LN without scaling",
  "residual by layers": "pre-LN scaled by 1/L",
  "no ln_f": "pre-LN without ln_f",
  Xavier: "both by Xavier (gradients only)",
};
const STUCK = 0.03; // nats from the loss of token frequencies, as in depth.py
const HEIGHT = 250, EDGE = { left: 46, right: 16, top: 12, bottom: 40 };
const TRAITS = ["cells", "gradients", "n_layer", "lr", "warmup", "beginning", "alt"];

// ---------------------------------------------------------------- numbers

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean held-out loss of a cell's runs. */
export const lossOf = (cell) => mean(cell.runs.map(({ loss }) => loss));

/** Whether a loss is that of a model that knows how frequent each token is, and nothing else. */
export const stuck = (loss, unigram) => Math.abs(loss - unigram) < STUCK;

/** The values of a name among some things, each once, in ascending order. */
export const among = (things, name) => (
  [...new Set(things.map((thing) => thing[name]))].sort((a, b) => a - b));

/** The cell that is asked for, or null. Pre-LN alone has other beginnings; post-LN stays as it is. */
export function cellFor(cells, norm, { n_layer, lr, warmup, beginning }) {
  const begins = norm === "post" ? "scaled" : beginning;
  const same = (cell) => cell.norm === norm && cell.n_layer === n_layer && cell.lr === lr
    && cell.warmup === warmup && cell.beginning === begins;
  return cells.find(same) ?? null;
}

/** The gradients of a network, or null; both layouts can begin by Xavier. */
export function gradientAt(gradients, norm, { n_layer, beginning }) {
  const begins = norm === "post" && beginning !== "Xavier" ? "scaled" : beginning;
  const same = (one) => one.norm === norm && one.n_layer === n_layer && one.beginning === begins;
  return gradients.find(same) ?? null;
}

/** How good a loss is: 1 for the best of all cells, 0 for that of a model that knows nothing. */
export const goodness = (loss, best, uniform) => (
  Math.max(0, Math.min(1, (uniform - loss) / (uniform - best))));

/** Powers of ten, and where those are few their halves and doubles, within a span. */
export function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1)
    for (const step of [1, 2, 5]) found.push({ value: step * 10 ** power, step });
  const inside = found.filter(({ value }) => value >= low * 0.999 && value <= high * 1.001);
  const tens = inside.filter(({ step }) => step === 1);
  return (tens.length > 2 ? tens : inside).map(({ value }) => Number(value.toPrecision(1)));
}

/** The blocks that are named under a plot: the first, the last, and some between. */
export function blockTicks(blocks) {
  if (blocks < 4) return Array.from({ length: blocks }, (_, i) => i + 1);
  return [1, ...ticks(2, blocks - 1, 4).filter((n) => n % 1 === 0 && n < 0.92 * blocks), blocks];
}

/** What a layout reached, in words. */
export function told(norm, cell, unigram) {
  if (!cell) return `${NAMES[norm]}: not run`;
  const loss = lossOf(cell), losses = cell.runs.map((run) => run.loss);
  const many = cell.runs.length > 1
    ? ` (${Math.min(...losses).toFixed(3)} to ${Math.max(...losses).toFixed(3)}, ${losses.length} seeds)`
    : " (one seed)";
  const end = stuck(loss, unigram) ? ", stuck at token frequencies" : "";
  return `${NAMES[norm]} ${loss.toFixed(3)}${many}${end}`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, peek: null, width: 0, tables: {} };
  view.begin = h("select");
  view.warm = [true, false].map((on) => button(on ? "10 % of the updates" : "none"));
  const warm = h("div", { class: "dp-pair", role: "group", "aria-label": "Warm-up" }, ...view.warm);
  const controls = h("div", { class: "dp-controls" }, h("span", {}, "Warm-up"), warm);
  controls.append(h("label", {}, "Weights begin ", view.begin));
  const both = h("div", { class: "dp-both" });
  for (const norm of NORMS) both.append(buildTable(view, norm));
  view.told = h("p", { class: "dp-told" });
  const label = (text) => ({ class: "dp-plot", role: "img", "aria-label": text, height: HEIGHT });
  view.curves = s("svg", label("Training loss over updates"));
  view.norms = s("svg", label("Norm of the gradient over blocks"));
  const plots = h("div", { class: "dp-both" });
  plots.append(h("div", {}, h("p", { class: "dp-title" }, "Training loss, nats per token"), view.curves));
  const title = "Norm of the gradient by block, before any update";
  plots.append(h("div", {}, h("p", { class: "dp-title" }, title), view.norms));
  const legend = NORMS.map((norm) => h("span", { style: `--hue: ${HUES[norm]}` }, h("i"), NAMES[norm]));
  view.legend = h("p", { class: "dp-legend" }, ...legend);
  view.note = h("p", { class: "gpt-quiet" });
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-depth" }, controls, both, view.told, view.legend, plots);
  view.root.append(view.note, view.said);
  view.update = () => update(view);
  return view;
}

/** A table of losses: learning rates down, the largest on top; depths across. */
function buildTable(view, norm) {
  const label = `${NAMES[norm]}: held-out loss; up and down choose the rate, left and right the depth`;
  const title = h("p", { class: "dp-title", style: `--hue: ${HUES[norm]}` }, h("i"), NAMES[norm]);
  view.tables[norm] = { ...tableOf("rate \\ blocks", label), cells: [] };
  return h("div", {}, title, view.tables[norm].root);
}

/** What is chosen, or pointed at. */
function chosen({ model, peek }) {
  const names = ["n_layer", "lr", "warmup", "beginning"];
  return { ...Object.fromEntries(names.map((name) => [name, model.get(name)])), ...peek };
}

/** Depths and rates of the tables, which are the same for both. */
function sides({ model }) {
  const cells = model.get("cells");
  return { depths: among(cells, "n_layer"), rates: among(cells, "lr").reverse() };
}

function update(view) {
  const { model } = view, now = chosen(view), cells = model.get("cells");
  if (view.drawn !== cells) fill(view);
  view.warm.forEach((one, i) => one.setAttribute("aria-pressed", now.warmup === !i));
  view.begin.value = now.beginning;
  const best = Math.min(...cells.map(lossOf));
  for (const norm of NORMS) paint(view, norm, now, best);
  const found = NORMS.map((norm) => told(norm, cellFor(cells, norm, now), model.get("unigram")));
  const where = `${now.n_layer} blocks, rate ${now.lr}, ${now.warmup ? "warm-up" : "no warm-up"}`;
  view.told.textContent = `${where}: ${found.join("; ")}.`;
  if (!view.peek) say(view, view.told.textContent);
  else clearTimeout(view.saying);
  if (view.width) {
    drawCurves(view, now);
    drawNorms(view, now);
  }
}

/** Tables and the list of beginnings, which depend on the record alone. */
function fill(view) {
  const { model, tables } = view, { depths, rates } = sides(view);
  view.drawn = model.get("cells");
  for (const one of Object.values(tables)) one.cells = fillTable(one, rates, depths);
  const known = new Set([...view.drawn, ...model.get("gradients")].map(({ beginning }) => beginning));
  const options = Object.entries(WORDS).filter(([value]) => known.has(value));
  view.begin.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  view.note.textContent = "A number is the loss on held-out text in nats per token; darker is better. "
    + `Dashed frame: within ${STUCK} of ${model.get("unigram").toFixed(2)}, the loss of a model that knows how `
    + "frequent each token is and nothing else. –: not run. Thin lines are single seeds.";
}

function paint({ model, tables }, norm, now, best) {
  const { depths, rates } = sides({ model }), { body, cells } = tables[norm];
  const [unigram, uniform] = [model.get("unigram"), model.get("uniform")];
  rates.forEach((lr, row) => depths.forEach((n_layer, column) => {
    const cell = cellFor(model.get("cells"), norm, { ...now, lr, n_layer }), box = cells[row][column];
    const loss = cell && lossOf(cell), here = lr === now.lr && n_layer === now.n_layer;
    box.textContent = cell ? loss.toFixed(2) : "–";
    box.style.setProperty("--good", cell ? `${Math.round(60 * goodness(loss, best, uniform) ** 2)}%` : "0%");
    box.classList.toggle("dp-stuck", Boolean(cell) && stuck(loss, unigram));
    box.setAttribute("aria-selected", here);
    box.setAttribute("aria-label", `${n_layer} blocks, rate ${lr}, loss ${cell ? loss.toFixed(2) : "not run"}`);
    if (here) body.setAttribute("aria-activedescendant", (box.id ||= idFor("depth")));
  }));
}

// ---------------------------------------------------------------- the plots

/** Axes of a plot: rules and numbers of y, numbers of x, and what x is. */
function axes({ x, y, width }, xs, ys, name, write = String) {
  const right = width - EDGE.right, bottom = HEIGHT - EDGE.bottom, parts = [];
  for (const value of ys) {
    parts.push(s("path", { class: "dp-rule", d: `M${EDGE.left},${y(value)}H${right}` }));
    parts.push(s("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, write(value)));
  }
  for (const value of xs)
    parts.push(s("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, `${value}`));
  const middle = (EDGE.left + right) / 2;
  return [...parts, s("text", { x: middle, y: HEIGHT - 6, "text-anchor": "middle" }, name)];
}

/** From values to pixels of a plot. */
function scales(width, [first, last], [low, high], log = false) {
  const to = log ? Math.log : (value) => value;
  const across = width - EDGE.left - EDGE.right, down = HEIGHT - EDGE.top - EDGE.bottom;
  return {
    width,
    x: (value) => EDGE.left + ((value - first) / Math.max(1e-9, last - first)) * across,
    y: (value) => EDGE.top + ((to(high) - to(value)) / (to(high) - to(low))) * down,
  };
}

function size(svg, width) {
  svg.setAttribute("width", width);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
}

function drawCurves({ model, curves, width }, now) {
  const updates = model.get("updates"), unigram = model.get("unigram");
  const lowest = model.get("cells").flatMap(({ runs }) => runs.flatMap(({ curve }) => curve));
  const [low, high] = span([Math.min(...lowest), model.get("uniform")], 0.04);
  const plot = scales(width, [0, updates], [low, high]), { x, y } = plot;
  const parts = axes(plot, ticks(0, updates, 4), ticks(low, high, 5), "update");
  parts.push(s("path", { class: "dp-reference", d: `M${EDGE.left},${y(unigram)}H${width - EDGE.right}` }));
  const name = { x: width - EDGE.right, y: y(unigram) - 5, "text-anchor": "end" };
  parts.push(s("text", name, "token frequencies"));
  for (const norm of NORMS) {
    const runs = cellFor(model.get("cells"), norm, now)?.runs ?? [];
    const style = `--hue: ${HUES[norm]}`;
    for (const { curve } of runs) {
      const at = curve.map((_, i) => ((i + 0.5) * updates) / curve.length);
      parts.push(s("path", { class: runs.length > 1 ? "dp-line dp-thin" : "dp-line", style, d: path(at, curve, x, y) }));
    }
  }
  size(curves, width);
  curves.replaceChildren(...parts);
}

function drawNorms({ model, norms, width }, now) {
  const all = model.get("gradients"), found = NORMS.map((norm) => gradientAt(all, norm, now));
  const values = found.filter(Boolean).flatMap((one) => [...one.low, ...one.high]);
  const blocks = now.n_layer;
  const [low, high] = values.length ? [Math.min(...values) * 0.8, Math.max(...values) * 1.25] : [0.01, 1];
  const plot = scales(width, [1, blocks], [low, high], true), { x, y } = plot;
  const parts = axes(plot, blockTicks(blocks), logTicks(low, high), "block, the output on the right");
  found.forEach((one, i) => {
    if (!one) return;
    const style = `--hue: ${HUES[NORMS[i]]}`, at = one.mean.map((_, block) => block + 1);
    const back = [...at].reverse().map((block, j) => `L${x(block)},${y(one.low[blocks - 1 - j])}`);
    parts.push(s("path", { class: "dp-band", style, d: `${path(at, one.high, x, y)}${back.join("")}Z` }));
    parts.push(s("path", { class: "dp-line", style, d: path(at, one.mean, x, y) }));
  });
  size(norms, width);
  norms.replaceChildren(...parts);
}

// ---------------------------------------------------------------- what the reader does

function listen(view) {
  view.warm.forEach((one, i) => one.addEventListener("click", () => choose(view, { warmup: !i })));
  view.begin.addEventListener("change", () => {
    choose(view, { beginning: view.begin.value });
  });
  for (const norm of NORMS) {
    const { model } = view;
    choosing(view, view.tables[norm].body, {
      size: () => [sides(view).rates.length, sides(view).depths.length],
      at: () => ({
        row: sides(view).rates.indexOf(model.get("lr")),
        column: sides(view).depths.indexOf(model.get("n_layer")),
      }),
      what: ({ row, column }) => (
        { lr: sides(view).rates[row], n_layer: sides(view).depths[column] }),
      keep: (found) => choose(view, found),
    });
  }
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    const resized = () => {
      view.width = Math.floor(view.curves.parentElement.clientWidth);
      view.update();
    };
    return mount(el, view, { traits: TRAITS, resized });
  },
};
