// What a network writes as it learns: its losses over the tokens read, and its text at the moment
// that a slider, or a click into the plot, chooses.

import { choose, count, fitted, h, idFor, mount, s, say, unseen } from "../shared/kit.js";
import { nearest, path, span, ticks } from "../shared/plot.js";

const HUES = ["var(--gpt-6)", "var(--gpt-1)", "var(--gpt-2)", "var(--gpt-3)"];
const HEIGHT = 280, EDGE = { left: 40, right: 14, top: 14, bottom: 42 };
const TRAITS = ["moments", "lines", "reference", "prompt", "at", "alt"];

// ---------------------------------------------------------------- numbers

/** Where a number of tokens stands on the axis, between 0 for none and 1 for the most. */
export const place = (tokens, most) => Math.log(1 + tokens / 100) / Math.log(1 + most / 100);

/** The stop that is nearest to a place of the axis. */
export const stopAt = (moments, most, where) => (
  nearest(moments.map(({ tokens }) => place(tokens, most)), where));

/** Powers of ten up to `most`, from a thousand on, and none that touches the end. */
export function powers(most) {
  const found = [];
  for (let value = 1000; value <= most; value *= 10) found.push(value);
  return found;
}

/** A number of tokens in little room. */
export const short = (tokens) => (
  tokens >= 1e6 ? `${tokens / 1e6}M` : tokens >= 1000 ? `${tokens / 1000}k` : `${tokens}`);

/** A moment in words. */
export const told = ({ name, tokens, loss }) => (
  `${name}: ${count(tokens)} tokens read, held-out loss ${loss.toFixed(2)} nats per token`);

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, width: 0 };
  view.plot = s("svg", { class: "gr-plot", role: "img", "aria-label": "Loss over tokens read", height: HEIGHT });
  view.legend = h("p", { class: "gr-legend" });
  const id = idFor("growth");
  view.slider = h("input", { type: "range", min: 0, step: 1, id });
  const row = h("div", { class: "gr-row" }, h("label", { for: id }, "Moment"), view.slider);
  view.told = h("p", { class: "gr-told" });
  view.prompt = h("b");
  view.text = h("span");
  const text = h("p", { class: "gr-text" }, view.prompt, view.text);
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-growth" }, row, view.told, text, view.legend, view.plot);
  view.root.append(view.said);
  view.update = () => update(view);
  return view;
}

function update(view) {
  const { model } = view, moments = model.get("moments"), here = moments[model.get("at")];
  view.slider.max = moments.length - 1;
  view.slider.value = model.get("at");
  view.slider.setAttribute("aria-valuetext", told(here));
  view.told.textContent = `${told(here)}.`;
  view.prompt.textContent = model.get("prompt");
  view.text.textContent = here.text;
  say(view, `It wrote: ${model.get("prompt")}${here.text}`);
  if (view.width) draw(view);
}

/** The most tokens that anything on the page has read. */
const mostOf = (model) => Math.max(...model.get("moments").map(({ tokens }) => tokens),
  ...Object.values(model.get("lines")).map(([xs]) => xs.at(-1) ?? 0));

function draw(view) {
  const { model, width } = view, lines = model.get("lines"), moments = model.get("moments");
  const reference = Object.entries(model.get("reference")), most = mostOf(model);
  const right = width - EDGE.right, bottom = HEIGHT - EDGE.bottom;
  const losses = [...Object.values(lines).flatMap(([, ys]) => ys), ...reference.map(([, y]) => y)];
  const [, high] = span([...losses, ...moments.map(({ loss }) => loss)], 0.03);
  const x = (tokens) => EDGE.left + place(tokens, most) * (right - EDGE.left);
  const y = (loss) => EDGE.top + (1 - loss / high) * (bottom - EDGE.top);
  const parts = [];
  for (const value of ticks(0, high, 5)) {
    parts.push(s("path", { class: "gr-rule", d: `M${EDGE.left},${y(value)}H${right}` }));
    parts.push(s("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, `${value}`));
  }
  for (const value of powers(most))
    parts.push(s("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, short(value)));
  const middle = (EDGE.left + right) / 2;
  parts.push(s("text", { x: middle, y: HEIGHT - 6, "text-anchor": "middle" }, "tokens read"));
  for (const [name, loss] of reference) {
    parts.push(s("path", { class: "gr-reference", d: `M${EDGE.left},${y(loss)}H${right}` }));
    parts.push(s("text", { x: EDGE.left + 4, y: y(loss) - 4 }, name));
  }
  Object.values(lines).forEach(([xs, ys], i) => {
    const style = `--hue: ${HUES[i % HUES.length]}`;
    parts.push(s("path", { class: i ? "gr-line" : "gr-line gr-thin", style, d: path(xs, ys, x, y) }));
  });
  const here = moments[model.get("at")];
  parts.push(s("path", { class: "gr-now", d: `M${x(here.tokens)},${EDGE.top}V${bottom}` }));
  for (const one of moments)
    parts.push(s("circle", { class: one === here ? "gr-stop gr-here" : "gr-stop", cx: x(one.tokens), cy: y(one.loss), r: 5 }));
  view.plot.setAttribute("width", width);
  view.plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  view.plot.replaceChildren(...parts);
  view.legend.replaceChildren(...Object.keys(lines).map((name, i) => (
    h("span", { style: `--hue: ${HUES[i % HUES.length]}` }, h("i"), name))));
}

// ---------------------------------------------------------------- what the reader does

function listen(view) {
  const { model } = view;
  view.slider.addEventListener("input", () => choose(view, { at: +view.slider.value }));
  view.plot.addEventListener("click", ({ clientX }) => {
    const { left, width } = view.plot.getBoundingClientRect();
    const where = (clientX - left - EDGE.left) / (width - EDGE.left - EDGE.right);
    choose(view, { at: stopAt(model.get("moments"), mostOf(model), where) });
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    return mount(el, view, { traits: TRAITS, resized: fitted(view) });
  },
};
