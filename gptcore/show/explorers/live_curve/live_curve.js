// A training curve that grows: lines over one pair of axes, redrawn whenever Python sends points.
// The legend tells the newest values, or those at the place that is pointed at or chosen by keys.

import { along, fitted, h, later, mount, pointing, s, unseen } from "../shared/kit.js";
import { nearest, path, span, ticks } from "../shared/plot.js";

const HEIGHT = 332; // with title and legend as high as the figure that takes its place in the end
const EDGE = { left: 58, right: 14, top: 10, bottom: 44 };

const written = (value) => (Number.isFinite(value) ? value.toFixed(4) : "–");

function build(model) {
  const view = { model, peek: null, kept: null, width: 0 };
  view.title = h("p", { class: "lc-title" });
  view.legend = h("p", { class: "lc-legend" });
  view.plot = s("svg", { class: "lc-plot", role: "img", tabindex: 0, height: HEIGHT });
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-curve" }, view.title, view.legend, view.plot, view.said);
  view.update = () => update(view);
  return view;
}

/** Where everything stands in the plot. */
function places(view) {
  const { model, width } = view, series = Object.entries(model.get("series"));
  const reference = Object.entries(model.get("reference"));
  const every = series.flatMap(([, [xs]]) => xs);
  const [left, right] = [EDGE.left, Math.max(width - EDGE.right, EDGE.left + 40)];
  const [first, last] = span(every);
  const [low, high] = span([...series.flatMap(([, [, ys]]) => ys), ...reference.map(([, y]) => y)], 0.04);
  return {
    series, reference, left, right, low, high, first, last,
    xs: [...new Set(every)].sort((a, b) => a - b),
    x: (value) => left + ((value - first) / (last - first)) * (right - left),
    y: (value) => EDGE.top + ((high - value) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom),
    back: (pixel) => first + ((pixel - left) / (right - left)) * (last - first),
  };
}

function update(view) {
  const { model, plot, title, width } = view;
  title.textContent = model.get("title");
  plot.ariaLabel = model.get("alt");
  if (!width) return; // a call of the ResizeObserver comes when there is one
  const now = places(view), chosen = view.peek ?? view.kept;
  const at = chosen === null ? null : now.xs[nearest(now.xs, chosen)];
  plot.setAttribute("width", width);
  plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  plot.replaceChildren(...axes(now, model), ...references(now), ...lines(now), ...cursor(now, at));
  fillLegend(view, now, at);
}

function axes({ first, last, low, high, left, right, x, y }, model) {
  const bottom = HEIGHT - EDGE.bottom, parts = [];
  for (const value of ticks(low, high, 5)) {
    parts.push(s("path", { class: "lc-rule", d: `M${left},${y(value)}H${right}` }));
    parts.push(s("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, `${value}`));
  }
  for (const value of ticks(first, last, Math.max(2, Math.min(8, (right - left) / 90))))
    parts.push(s("text", { x: x(value), y: bottom + 18, "text-anchor": "middle" }, value.toLocaleString("en")));
  const [middle, half] = [(left + right) / 2, (EDGE.top + bottom) / 2];
  const turned = { x: 14, y: half, transform: `rotate(-90 14 ${half})`, "text-anchor": "middle" };
  parts.push(s("path", { class: "lc-rule", d: `M${left},${bottom}H${right}` }));
  parts.push(s("text", { x: middle, y: HEIGHT - 8, "text-anchor": "middle" }, model.get("x")));
  return [...parts, s("text", turned, model.get("y"))];
}

function references({ reference, left, right, y }) {
  return reference.filter(([, value]) => Number.isFinite(value)).flatMap(([name, value]) => [
    s("path", { class: "lc-reference", d: `M${left},${y(value)}H${right}` }),
    s("text", { x: right, y: y(value) - 5, "text-anchor": "end" }, name),
  ]);
}

function lines({ series, x, y }) {
  return series.flatMap(([, [xs, ys]], i) => {
    const style = `--hue: var(--gpt-${(i % 6) + 1})`;
    const line = s("path", { class: "lc-line", style, d: path(xs, ys, x, y) });
    if (xs.length > 1 || !Number.isFinite(ys[0])) return [line];
    return [line, s("circle", { class: "lc-dot", style, cx: x(xs[0]), cy: y(ys[0]), r: 3 })];
  });
}

const cursor = ({ x }, at) => (at === null ? []
  : [s("path", { class: "lc-cursor", d: `M${x(at)},${EDGE.top}V${HEIGHT - EDGE.bottom}` })]);

function fillLegend({ legend, model, said, kept, peek }, { series }, at) {
  const entries = series.map(([name, [xs, ys]], i) => {
    const place = at === null ? xs.length - 1 : nearest(xs, at);
    const style = `--hue: var(--gpt-${(i % 6) + 1})`;
    return h("span", { style }, h("i"), `${name} `, h("b", {}, written(ys[place])));
  });
  const last = Math.max(...series.map(([, [xs]]) => xs.at(-1)));
  legend.replaceChildren(h("span", {}, `${model.get("x")} ${(at ?? last).toLocaleString("en")}`), ...entries);
  if (at !== null && at === kept && peek === null) said.textContent = legend.textContent;
}

function listen(view) {
  const { plot } = view;
  const under = ({ clientX }) => {
    const { left } = plot.getBoundingClientRect();
    return places(view).back(clientX - left);
  };
  const show = (peek) => {
    view.peek = peek;
    later(view);
  };
  const keep = (x) => {
    const { xs } = places(view);
    view.kept = xs[nearest(xs, x)];
    later(view);
  };
  pointing(plot, { under, show, keep });
  plot.addEventListener("keydown", (event) => {
    const { xs } = places(view), last = xs.length - 1;
    if (event.key === "Escape") view.kept = null;
    else {
      const next = along(event.key, view.kept === null ? last : nearest(xs, view.kept), xs.length);
      if (next === null) return;
      event.preventDefault();
      view.kept = xs[next];
    }
    show(null);
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    return mount(el, view, { traits: ["series", "title", "alt"], resized: fitted(view) });
  },
};
