// What a label is worth: a point for each way and number of labels, its interval, a dot for each run;
// two points side by side, and whether chance alone could have made their difference.

import { button, choose, fitted, h, hit, mount, plural, s, say, unseen } from "../shared/kit.js";
import { path, ticks } from "../shared/plot.js";

const HUES = ["var(--gpt-1)", "var(--gpt-2)", "var(--gpt-3)", "var(--gpt-4)", "var(--gpt-5)"];
const HEIGHT = 320, EDGE = { left: 60, right: 16, top: 12, bottom: 44 };
const APART = 12; // pixels between the ways at one number of labels
const TRAITS = ["points", "differences", "shown", "one", "other", "chance", "alt"];

// ---------------------------------------------------------------- numbers

/** The values of a name among some points, each once, in the order in which they come. */
export const kinds = (points, name) => [...new Set(points.map((point) => point[name]))];

/** The difference of two points, the first minus the second, from the pairs that were measured. */
export function difference(pairs, one, other) {
  if (one === other) return null;
  const found = pairs.find((pair) => pair.one === one && pair.other === other);
  if (found) return found;
  const turned = pairs.find((pair) => pair.one === other && pair.other === one);
  return turned && { mean: -turned.mean, low: -turned.high, high: -turned.low };
}

/** What an interval of a difference decides: 1 the first is ahead, -1 the second, 0 nothing. */
export const side = ({ low, high }) => (low > 0 ? 1 : high < 0 ? -1 : 0);

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
const called = ({ way, n }) => `${way}, ${plural(n, "label")}`;

/** Two points in a sentence. */
export function told(one, other, pair) {
  if (!pair) return `${called(one)}: ${one.mean.toFixed(3)}, over ${plural(one.runs.length, "run")}.`;
  const ends = `${signed(pair.mean)} (${signed(pair.low)} to ${signed(pair.high)})`;
  const decided = {
    1: `${called(one)} is ahead`, "-1": `${called(other)} is ahead`,
    0: "the interval has zero in it, so which is better stays open",
  }[side(pair)];
  const scores = `${called(one)} ${one.mean.toFixed(3)}; ${called(other)} ${other.mean.toFixed(3)}`;
  return `${scores}. Difference ${ends}: ${decided}.`;
}

/** How far the way at place `i` of `count` stands from its number of labels, in pixels. */
export const aside = (i, count) => (i - (count - 1) / 2) * APART;

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, width: 0, turn: 0 };
  view.ways = h("div", { class: "lc-ways", role: "group", "aria-label": "Ways that are drawn" });
  view.plot = s("svg", { class: "lc-plot", role: "img", "aria-label": "Accuracy by number of labels", height: HEIGHT });
  view.one = h("select");
  view.other = h("select");
  const pair = h("div", { class: "lc-pair" }, h("label", {}, "Compare ", view.one));
  pair.append(h("label", {}, "with ", view.other));
  view.told = h("p", { class: "lc-told" });
  const note = "Small dots are runs, each from another seed; bars are intervals over seeds and test texts.";
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-labels" }, view.ways, view.plot, pair, view.told);
  view.root.append(h("p", { class: "gpt-quiet" }, note), view.said);
  view.update = () => update(view);
  return view;
}

/** Buttons and lists, which depend on the record alone. */
function fill(view) {
  const { model } = view;
  view.drawn = model.get("points");
  view.buttons = kinds(view.drawn, "way").map((way, i) => {
    const one = button("", null, { style: `--hue: ${HUES[i % HUES.length]}` });
    one.append(h("i"), way);
    one.addEventListener("click", () => toggle(view, way));
    return { way, one };
  });
  view.ways.replaceChildren(...view.buttons.map(({ one }) => one));
  for (const list of [view.one, view.other])
    list.replaceChildren(...view.drawn.map((point) => h("option", { value: point.name }, called(point))));
}

/** Draw a way or leave it out; one of them stays. */
function toggle(view, way) {
  const shown = view.model.get("shown"), left = shown.filter((one) => one !== way);
  const all = kinds(view.drawn, "way");
  const next = left.length < shown.length ? left : all.filter((one) => one === way || shown.includes(one));
  if (next.length) choose(view, { shown: next });
}

function update(view) {
  const { model } = view;
  if (view.drawn !== model.get("points")) fill(view);
  const at = (name) => view.drawn.find((point) => point.name === model.get(name));
  for (const { way, one } of view.buttons) one.setAttribute("aria-pressed", model.get("shown").includes(way));
  view.one.value = model.get("one");
  view.other.value = model.get("other");
  const pair = difference(model.get("differences"), model.get("one"), model.get("other"));
  view.told.textContent = told(at("one"), at("other"), pair);
  say(view, view.told.textContent);
  if (!view.width) return;
  if (view.laid !== view.width || view.laidOut !== view.drawn) draw(view);
  const shown = model.get("shown"), picked = [model.get("one"), model.get("other")];
  for (const part of view.parts) {
    part.classList.toggle("lc-out", !shown.includes(part.dataset.way));
    part.classList.toggle("lc-picked", picked.includes(part.dataset.name));
  }
}

/** Lay all ways out; which of them are seen, and which points are chosen, is a matter of classes. */
function draw(view) {
  const { model, width, drawn } = view;
  const sizes = kinds(drawn, "n").sort((a, b) => a - b), ways = kinds(drawn, "way");
  const right = width - EDGE.right, bottom = HEIGHT - EDGE.bottom, room = 0.16 * (right - EDGE.left);
  const from = Math.log(sizes[0]), wide = Math.max(1e-9, Math.log(sizes.at(-1)) - from);
  const x = (n) => EDGE.left + room + ((Math.log(n) - from) / wide) * (right - EDGE.left - 2 * room);
  const y = (value) => EDGE.top + (1 - value) * (bottom - EDGE.top);
  const parts = ticks(0, 1, 5).flatMap((value) => [
    s("path", { class: "lc-rule", d: `M${EDGE.left},${y(value)}H${right}` }),
    s("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(1)),
  ]);
  for (const n of sizes) parts.push(s("text", { x: x(n), y: bottom + 18, "text-anchor": "middle" }, `${n}`));
  const middle = (EDGE.left + right) / 2;
  parts.push(s("text", { x: middle, y: HEIGHT - 6, "text-anchor": "middle" }, "labels"));
  const up = { transform: `translate(12 ${y(0.5)}) rotate(-90)`, "text-anchor": "middle" };
  parts.push(s("text", up, "accuracy"));
  parts.push(s("path", { class: "lc-chance", d: `M${EDGE.left},${y(model.get("chance"))}H${right}` }));
  parts.push(s("text", { x: right, y: y(model.get("chance")) - 5, "text-anchor": "end" }, "chance"));
  view.parts = ways.flatMap((way, i) => (
    wayOf(drawn, way, { x: (n) => x(n) + aside(i, ways.length), y }, HUES[i % HUES.length])));
  [view.laid, view.laidOut] = [width, drawn];
  view.plot.setAttribute("width", width);
  view.plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  view.plot.replaceChildren(...parts, ...view.parts);
}

/** The line, the intervals, the runs and the means of one way. */
function wayOf(drawn, way, { x, y }, hue) {
  const own = drawn.filter((point) => point.way === way).sort((a, b) => a.n - b.n);
  const style = `--hue: ${hue}`;
  const line = path(own.map(({ n }) => n), own.map(({ mean }) => mean), x, y);
  const parts = [s("path", { class: "lc-line", style, d: line, "data-way": way })];
  for (const { name, n, mean, low, high, runs } of own) {
    const group = s("g", { class: "lc-point", style, "data-way": way, "data-name": name });
    group.append(s("rect", { class: "lc-area", x: x(n) - APART / 2, y: y(high) - 8, width: APART, height: y(low) - y(high) + 16 }));
    group.append(s("path", { class: "lc-bar", d: `M${x(n)},${y(low)}V${y(high)}` }));
    group.append(s("circle", { class: "lc-mean", cx: x(n), cy: y(mean), r: 5 }));
    for (const run of runs) group.append(s("circle", { class: "lc-run", cx: x(n), cy: y(run), r: 2.2 }));
    parts.push(group);
  }
  return parts;
}

// ---------------------------------------------------------------- what the reader does

function listen(view) {
  for (const name of ["one", "other"])
    view[name].addEventListener("change", () => choose(view, { [name]: view[name].value }));
  view.plot.addEventListener("click", (event) => { // points in turn: one, the other, one ...
    const found = hit(event, "[data-name]");
    if (!found) return;
    choose(view, { [["one", "other"][view.turn]]: found.dataset.name });
    view.turn = 1 - view.turn;
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    return mount(el, view, { traits: TRAITS, resized: fitted(view) });
  },
};
