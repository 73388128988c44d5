// A game: buy recorded runs with a fixed number of FLOPs, stop, and see how far the best of them is
// from the best that the whole budget could have bought, and from the fitted frontier.

import { button, choose, h, idFor, mount, plural, s, say, unseen } from "../shared/kit.js";
import { path, span, ticks } from "../shared/plot.js";
import { choosing, fillTable, tableOf } from "../shared/table.js";

const TRAITS = ["runs", "law", "budgets", "bought", "budget", "at", "done", "alt"];
const HEIGHT = 260, EDGE = { left: 46, right: 16, top: 12, bottom: 40 };

// ---------------------------------------------------------------- numbers

/** The values of a name among runs in order of another, each once. */
export const among = (runs, name, by) => (
  [...new Set([...runs].sort((a, b) => a[by] - b[by]).map((run) => run[name]))]);

/** FLOPs that are left of a budget. */
export const left = (runs, bought, budget) => (
  budget - bought.reduce((sum, i) => sum + runs[i].flops, 0));

/** What a click on a run does: "shown" already, "dear" for what is left, or "for sale". */
export function standing(runs, bought, budget, i) {
  if (bought.includes(i)) return "shown";
  return runs[i].flops > left(runs, bought, budget) ? "dear" : "for sale";
}

/** The run of the lowest loss, or null. */
export const best = (runs) => (
  runs.reduce((found, run) => (found && found.loss <= run.loss ? found : run), null));

/** The lowest loss that the law allows for a compute of 6 N D. */
export function frontier({ E, A, alpha, B, beta }, compute) {
  const ratio = ((alpha * A) / (beta * B)) ** (1 / (alpha + beta));
  const N = ratio * (compute / 6) ** (beta / (alpha + beta)), D = compute / 6 / N;
  return E + A / N ** alpha + B / D ** beta;
}

/** FLOPs in units of 10¹². */
export const tera = (flops) => `${Number((flops / 1e12).toPrecision(2))}`;

/** How a game ended, in words. */
export function told(runs, law, bought, budget) {
  const own = best(bought.map((i) => runs[i])), top = best(runs.filter((run) => run.flops <= budget));
  const name = (run) => `${run.size} on ${run.tokens} tokens`;
  if (!own) return `Nothing bought. The best for this budget: ${name(top)}, ${top.loss.toFixed(3)}.`;
  const edge = `The fitted frontier is at ${frontier(law, budget).toFixed(3)}.`;
  const yours = `Your best: ${name(own)}, ${own.loss.toFixed(3)}.`;
  if (own === top) return `${yours} No run within the budget is better. ${edge}`;
  const gap = (own.loss - top.loss).toFixed(3);
  return `${yours} ${name(top)} would have reached ${top.loss.toFixed(3)}, ${gap} lower. ${edge}`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, peek: null, width: 0, cells: [] };
  view.budgets = model.get("budgets").map((budget) => button(tera(budget)));
  view.stop = button("Stop and compare");
  view.again = button("New game");
  const pick = h("div", { class: "bu-pick", role: "group", "aria-label": "Budget" }, ...view.budgets);
  const controls = h("div", { class: "bu-controls" }, h("span", {}, "Budget, 10¹² FLOPs"), pick);
  controls.append(view.stop, view.again);
  view.meter = h("div", { class: "bu-meter", role: "img" }, h("i"));
  view.table = tableOf("size \\ tokens", "Runs: up and down choose the size, left and right the tokens, Enter buys");
  view.told = h("p", { class: "bu-told" });
  view.plot = s("svg", { class: "bu-plot", role: "img", height: HEIGHT, "aria-label": "Loss over FLOPs" });
  const note = "A run costs 6 N D, attention and output matrix counted. Width x blocks; the price in "
    + "10¹² FLOPs, bought: the held-out loss in nats per token. The line is the fitted frontier.";
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-budget" }, controls, view.meter, view.table.root, view.told);
  view.root.append(h("div", {}, view.plot), h("p", { class: "gpt-quiet" }, note), view.said);
  view.update = () => update(view);
  return view;
}

/** Sizes from large to small, amounts from little to much: the sides of the table. */
function sides({ model }) {
  const runs = model.get("runs");
  return { sizes: among(runs, "size", "N").reverse(), amounts: among(runs, "tokens", "D") };
}

/** The place in `runs` of a cell, or -1. */
function placeOf({ model }, { row, column }, { sizes, amounts }) {
  const same = (run) => run.size === sizes[row] && run.tokens === amounts[column];
  return model.get("runs").findIndex(same);
}

function update(view) {
  const { model } = view, runs = model.get("runs"), bought = model.get("bought");
  const budget = model.get("budget"), done = model.get("done"), rest = left(runs, bought, budget);
  if (view.drawn !== runs) fill(view);
  view.budgets.forEach((one, i) => one.setAttribute("aria-pressed", model.get("budgets")[i] === budget));
  view.stop.disabled = done;
  view.meter.firstChild.style.width = `${(100 * rest) / budget}%`;
  view.meter.setAttribute("aria-label", `${tera(rest)} of ${tera(budget)} left, in 10¹² FLOPs`);
  const at = view.peek ?? model.get("at");
  runs.forEach((run, i) => paint(view, run, i, { state: standing(runs, bought, budget, i), here: i === at, done }));
  const here = runs[at], state = standing(runs, bought, budget, at);
  const name = `${here.size} on ${here.tokens} tokens`;
  const about = {
    shown: `${name}: loss ${here.loss.toFixed(3)}, ${plural(here.seeds, "seed")}`,
    dear: `${name} costs ${tera(here.flops)}, more than the ${tera(rest)} that are left`,
    "for sale": `${name} costs ${tera(here.flops)} of the ${tera(rest)} that are left`,
  }[state];
  view.told.textContent = done ? told(runs, model.get("law"), bought, budget) : `${about}.`;
  if (view.peek === null) say(view, view.told.textContent);
  if (view.width) draw(view, { runs, bought, budget, done });
}

/** The table, which depends on the record alone. */
function fill(view) {
  const { sizes, amounts } = sides(view), runs = view.model.get("runs");
  view.drawn = runs;
  view.cells = runs.map(() => null);
  fillTable(view.table, sizes, amounts).forEach((boxes, row) => boxes.forEach((box, column) => {
    const i = placeOf(view, { row, column }, { sizes, amounts });
    if (i >= 0) view.cells[i] = box;
    else Object.assign(box, { textContent: "–", className: "" });
  }));
}

function paint({ cells, table: { body } }, run, i, { state, here, done }) {
  const box = cells[i], shown = state === "shown" || done;
  box.textContent = shown ? run.loss.toFixed(2) : tera(run.flops);
  box.className = `bu-${state.replace(" ", "-")}`;
  box.setAttribute("aria-selected", here);
  const what = shown ? `loss ${run.loss.toFixed(2)}` : `costs ${tera(run.flops)}, ${state}`;
  box.setAttribute("aria-label", `${run.size} on ${run.tokens} tokens, ${what}`);
  if (here) body.setAttribute("aria-activedescendant", (box.id ||= idFor("budget")));
}

/** Loss over FLOPs: what was bought, and in the end everything and the frontier. */
function draw({ model, plot, width }, { runs, bought, budget, done }) {
  const law = model.get("law"), logs = runs.map((run) => Math.log10(run.flops));
  const [low, high] = span(runs.map((run) => run.loss), 0.08), [first, last] = span([...logs, Math.log10(budget)], 0.04);
  const right = width - EDGE.right, bottom = HEIGHT - EDGE.bottom;
  const x = (log) => EDGE.left + ((log - first) / (last - first)) * (right - EDGE.left);
  const y = (loss) => EDGE.top + ((high - loss) / (high - low)) * (bottom - EDGE.top);
  const parts = ticks(low, high, 5).flatMap((value) => [
    s("path", { class: "bu-rule", d: `M${EDGE.left},${y(value)}H${right}` }),
    s("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, `${value}`),
  ]);
  for (const value of [0.03, 0.1, 0.3, 1, 3]) {
    const at = x(Math.log10(value * 1e12));
    if (at > EDGE.left && at < right) parts.push(s("text", { x: at, y: bottom + 16, "text-anchor": "middle" }, `${value}`));
  }
  const middle = { x: (EDGE.left + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" };
  parts.push(s("text", middle, "10¹² FLOPs; loss in nats per token"));
  const limit = x(Math.log10(budget));
  parts.push(s("path", { class: "bu-limit", d: `M${limit},${EDGE.top}V${bottom}` }));
  if (done) {
    const xs = Array.from({ length: 40 }, (_, i) => first + ((last - first) * i) / 39);
    const ys = xs.map((log) => frontier(law, 10 ** log)).map((loss) => (loss < high && loss > low ? loss : NaN));
    parts.push(s("path", { class: "bu-frontier", d: path(xs, ys, x, y) }));
  }
  runs.forEach((run, i) => {
    const own = bought.includes(i);
    if (!own && !done) return;
    parts.push(s("circle", { class: own ? "bu-own" : "bu-other", cx: x(logs[i]), cy: y(run.loss), r: own ? 5 : 3.5 }));
  });
  plot.setAttribute("width", width);
  plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  plot.replaceChildren(...parts);
}

// ---------------------------------------------------------------- what the reader does

function buy(view, i) {
  const { model } = view, bought = model.get("bought");
  const state = standing(model.get("runs"), bought, model.get("budget"), i);
  const more = state === "for sale" && !model.get("done") ? { bought: [...bought, i] } : {};
  view.peek = null;
  choose(view, { at: i, ...more });
}

function listen(view) {
  const { model } = view, fresh = { bought: [], done: false };
  view.budgets.forEach((one, i) => one.addEventListener("click", () => {
    choose(view, { ...fresh, budget: model.get("budgets")[i] });
  }));
  view.stop.addEventListener("click", () => choose(view, { done: true }));
  view.again.addEventListener("click", () => choose(view, fresh));
  const { body } = view.table;
  choosing(view, body, {
    size: () => [sides(view).sizes.length, sides(view).amounts.length],
    at: () => {
      const { sizes, amounts } = sides(view), run = model.get("runs")[model.get("at")];
      return { row: sizes.indexOf(run.size), column: amounts.indexOf(run.tokens) };
    },
    what: (cell) => {
      const i = placeOf(view, cell, sides(view));
      return i < 0 ? null : i;
    },
    keep: (i) => buy(view, i),
    go: (at) => choose(view, { at }),
  });
  body.addEventListener("keydown", (event) => {
    if (event.key !== " " && (event.key !== "Enter" || event.shiftKey)) return;
    event.preventDefault();
    buy(view, model.get("at"));
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    const resized = () => {
      view.width = Math.floor(view.plot.parentElement.clientWidth);
      view.update();
    };
    return mount(el, view, { traits: TRAITS, resized });
  },
};
