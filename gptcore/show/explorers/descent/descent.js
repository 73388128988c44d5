// One parameter and its loss: a ball on a curve to drag, the tangent there, a learning rate, steps.
// Beside it the loss after each step.

import { button, choose, h, mount, plural, s, say, unseen } from "../shared/kit.js";
import { path, ticks } from "../shared/plot.js";

const TRAITS = ["curves", "rates", "trail", "curve", "rate", "alt"];
const HEIGHT = 300, EDGE = { left: 46, right: 14, top: 16, bottom: 40 };
const FINE = 100; // parts of the picture's width that an arrow key moves by
const LOST = 1e6; // a loss beyond which no further step is taken

// ---------------------------------------------------------------- numbers

/** The loss at w. */
export const valueOf = (coefficients, w) => coefficients.reduceRight((sum, c) => sum * w + c, 0);

/** The derivative of the loss at w. */
export const slopeOf = (coefficients, w) => (
  coefficients.reduceRight((sum, c, i) => (i ? sum * w + i * c : sum), 0));

/** The values of w after some more steps against the gradient; none from where all is lost. */
export function stepped(coefficients, trail, rate, steps) {
  const more = [...trail];
  for (let i = 0; i < steps; i += 1) {
    const w = more.at(-1);
    if (!(Math.abs(valueOf(coefficients, w)) < LOST)) break;
    more.push(w - rate * slopeOf(coefficients, w));
  }
  return more;
}

/** A number in few digits, with a minus that is as wide as a plus. */
export function short(number) {
  const size = Math.abs(number);
  const text = size >= 1000 ? size.toExponential(1).replace("e+", "e") : size.toFixed(2);
  return Number(text) && number < 0 ? `−${text}` : text;
}

/** What stands where the ball is, and what the next step would be. */
export function written(coefficients, trail, rate) {
  const w = trail.at(-1), gradient = slopeOf(coefficients, w);
  const next = w - rate * gradient, sign = rate * gradient < 0 ? "+" : "−";
  return {
    here: `w = ${short(w)}   loss ${short(valueOf(coefficients, w))}   gradient ${short(gradient)}`,
    step: `next: ${short(w)} ${sign} ${rate} · ${short(Math.abs(gradient))} = ${short(next)}`,
  };
}

/** How a run stands, in words. */
export function told({ coefficients, low, high }, trail) {
  const steps = trail.length - 1;
  if (!steps) return "No step yet: drag the ball, or take one.";
  const w = trail.at(-1), before = valueOf(coefficients, trail.at(-2)), loss = valueOf(coefficients, w);
  const after = `After ${plural(steps, "step")} the loss is ${short(loss)}`;
  if (w < low || w > high) return `${after}, and the ball has left the picture: the step was too large for this slope.`;
  if (Math.abs(slopeOf(coefficients, w)) < 0.005) return `${after} and the ground is flat: a further step changes nothing.`;
  if (loss > before) return `${after}, more than before the step: it overshot.`;
  return `${after}, ${short(before - loss)} less than before the step.`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, width: 0, said: unseen() };
  view.names = h("div", { class: "de-pick", role: "group", "aria-label": "Curve" });
  view.rate = h("input", { type: "range", min: 0, step: 1, "aria-label": "Learning rate" });
  view.shown = h("output", { class: "de-rate" });
  const rate = h("label", { class: "de-slide" }, h("span", {}, "Learning rate"), view.rate, view.shown);
  view.one = button("One step");
  view.ten = button("Ten steps");
  view.back = button("Back to the start");
  const act = h("div", { class: "de-act" }, view.one, view.ten, view.back);
  view.plot = s("svg", { class: "de-plot", height: HEIGHT, "aria-hidden": "true" });
  view.handle = h("div", { class: "de-handle", tabindex: 0, role: "slider", "aria-label": "w, the parameter: arrows move it, Enter takes a step" }, view.plot);
  view.losses = s("svg", { class: "de-plot", role: "img", height: HEIGHT, "aria-label": "Loss after each step" });
  const both = h("div", { class: "de-both" });
  both.append(h("div", {}, h("p", { class: "de-title" }, "Loss over w"), view.handle));
  both.append(h("div", {}, h("p", { class: "de-title" }, "Loss after each step"), view.losses));
  view.here = h("p", { class: "de-here" });
  view.next = h("p", { class: "de-here" });
  view.told = h("p", { class: "de-told" });
  view.root = h("div", { class: "gpt-explorer gpt-descent" }, view.names, rate, both, view.here, view.next, act, view.told, view.said);
  view.update = () => update(view);
  return view;
}

const nowOf = ({ model }) => ({
  curve: model.get("curves")[model.get("curve")],
  rate: model.get("rates")[model.get("rate")],
  trail: model.get("trail"),
});

function update(view) {
  const { model } = view, { curve, rate, trail } = nowOf(view), w = trail.at(-1);
  if (view.drawn !== model.get("curves")) fill(view);
  [...view.names.children].forEach((one, i) => one.setAttribute("aria-pressed", i === model.get("curve")));
  view.rate.max = model.get("rates").length - 1;
  view.rate.value = model.get("rate");
  view.rate.setAttribute("aria-valuetext", `${rate}`);
  view.shown.textContent = `${rate}`;
  const words = written(curve.coefficients, trail, rate);
  view.here.textContent = words.here;
  view.next.textContent = words.step;
  view.told.textContent = told(curve, trail);
  for (const [name, number] of Object.entries({ valuemin: curve.low, valuemax: curve.high, valuenow: w }))
    view.handle.setAttribute(`aria-${name}`, Number(number.toFixed(3)));
  view.handle.setAttribute("aria-valuetext", words.here);
  view.back.disabled = trail.length === 1 && w === curve.start;
  say(view, `${words.here}. ${view.told.textContent}`);
  if (!view.width) return;
  drawCurve(view, curve, trail);
  drawLosses(view, curve, trail);
}

/** A button for each curve, where there is a choice. */
function fill(view) {
  const { model, names } = view, curves = model.get("curves");
  view.drawn = curves;
  names.hidden = curves.length < 2;
  names.replaceChildren(...curves.map(({ name, start }, i) => (
    button(name, () => choose(view, { curve: i, trail: [start] })))));
}

function axes(width, { xs, ys, x, y, name }) {
  const bottom = HEIGHT - EDGE.bottom, parts = [];
  for (const value of ys) {
    parts.push(s("path", { class: "de-rule", d: `M${EDGE.left},${y(value)}H${width - EDGE.right}` }));
    parts.push(s("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, `${value}`));
  }
  for (const value of xs) parts.push(s("text", { x: x(value), y: bottom + 16, "text-anchor": "middle" }, `${value}`));
  const middle = (EDGE.left + width - EDGE.right) / 2;
  return [...parts, s("text", { x: middle, y: HEIGHT - 6, "text-anchor": "middle" }, name)];
}

/** From values to pixels. */
function scales(width, [left, right], [low, high]) {
  const across = width - EDGE.left - EDGE.right, down = HEIGHT - EDGE.top - EDGE.bottom;
  return {
    x: (value) => EDGE.left + ((value - left) / (right - left || 1)) * across,
    y: (value) => EDGE.top + ((high - value) / (high - low || 1)) * down,
  };
}

/** The losses that the picture has room for: those of the curve, and a little below. */
function reach({ coefficients, low, high }) {
  const ws = Array.from({ length: 121 }, (_, i) => low + ((high - low) * i) / 120);
  const losses = ws.map((w) => valueOf(coefficients, w));
  return { ws, losses, top: Math.max(...losses), bottom: Math.min(0, ...losses) };
}

function drawCurve(view, curve, trail) {
  const { ws, losses, top, bottom } = reach(curve), { width } = view, { coefficients, low, high } = curve;
  const { x, y } = scales(width, [low, high], [bottom, top]), w = trail.at(-1);
  view.toW = (pixel) => low + ((pixel - EDGE.left) / (width - EDGE.left - EDGE.right)) * (high - low);
  const parts = axes(width, { xs: ticks(low, high, 5), ys: ticks(bottom, top, 5), x, y, name: "w, the parameter" });
  parts.push(s("path", { class: "de-curve", d: path(ws, losses, x, y) }));
  const inside = (one) => one >= low && one <= high;
  const seen = trail.filter(inside), heights = seen.map((one) => valueOf(coefficients, one));
  if (seen.length > 1) parts.push(s("path", { class: "de-trail", d: path(seen, heights, x, y) }));
  seen.forEach((one, i) => parts.push(s("circle", { class: "de-was", cx: x(one), cy: y(heights[i]), r: 3 })));
  if (inside(w)) {
    const loss = valueOf(coefficients, w), slope = slopeOf(coefficients, w);
    // The tangent is as long on the page wherever the ball is.
    const run = x(1) - x(0), rise = (y(1) - y(0)) * slope, long = 70 / Math.hypot(run, rise);
    const [dx, dy] = [run * long, rise * long], [cx, cy] = [x(w), y(loss)];
    parts.push(s("path", { class: "de-tangent", d: `M${cx - dx},${cy - dy}L${cx + dx},${cy + dy}` }));
    parts.push(s("circle", { class: "de-ball", cx, cy, r: 9 }));
  } else {
    const right = w > high, at = right ? width - EDGE.right - 4 : EDGE.left + 4, by = right ? -12 : 12;
    parts.push(s("path", { class: "de-gone", d: `M${at},${EDGE.top + 14}l${by},-8v16z` }));
  }
  view.plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  view.plot.setAttribute("width", width);
  view.plot.replaceChildren(...parts);
}

function drawLosses(view, curve, trail) {
  const { top, bottom } = reach(curve), { width } = view, last = Math.max(10, trail.length - 1);
  const { x, y } = scales(width, [0, last], [bottom, top]);
  const losses = trail.map((w) => valueOf(curve.coefficients, w)).map((loss) => (loss <= top ? loss : NaN));
  const parts = axes(width, { xs: ticks(0, last, 5).filter(Number.isInteger), ys: ticks(bottom, top, 5), x, y, name: "step" });
  parts.push(s("path", { class: "de-line", d: path(losses.map((_, i) => i), losses, x, y) }));
  losses.forEach((loss, i) => {
    if (Number.isFinite(loss)) parts.push(s("circle", { class: "de-dot", cx: x(i), cy: y(loss), r: 3.5 }));
  });
  view.losses.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  view.losses.setAttribute("width", width);
  view.losses.replaceChildren(...parts);
}

// ---------------------------------------------------------------- what the reader does

const put = (view, w) => {
  const { curve } = nowOf(view);
  choose(view, { trail: [Math.max(curve.low, Math.min(curve.high, w))] });
};

function step(view, steps) {
  const { curve, rate, trail } = nowOf(view);
  choose(view, { trail: stepped(curve.coefficients, trail, rate, steps) });
}

function listen(view) {
  const { handle, plot } = view;
  view.rate.addEventListener("input", () => choose(view, { rate: Number(view.rate.value) }));
  view.one.addEventListener("click", () => step(view, 1));
  view.ten.addEventListener("click", () => step(view, 10));
  view.back.addEventListener("click", () => put(view, nowOf(view).curve.start));
  let dragging = false;
  const drag = ({ clientX }) => put(view, view.toW(clientX - plot.getBoundingClientRect().left));
  handle.addEventListener("pointerdown", (event) => {
    if (!view.toW) return;
    dragging = true;
    if (event.isTrusted) handle.setPointerCapture(event.pointerId);
    drag(event);
  });
  handle.addEventListener("pointermove", (event) => dragging && drag(event));
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    handle.addEventListener(end, () => (dragging = false));
  handle.addEventListener("keydown", (event) => {
    const { curve, trail } = nowOf(view), by = (curve.high - curve.low) / FINE;
    const to = {
      ArrowLeft: -by, ArrowDown: -by, ArrowRight: by, ArrowUp: by, PageDown: -10 * by, PageUp: 10 * by,
      Home: -Infinity, End: Infinity,
    }[event.key];
    if (to !== undefined) put(view, trail.at(-1) + to);
    else if (event.key === " " || (event.key === "Enter" && !event.shiftKey)) step(view, 1);
    else return;
    event.preventDefault();
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    const resized = () => {
      view.width = Math.floor(view.handle.clientWidth);
      view.update();
    };
    return mount(el, view, { traits: TRAITS, resized, watched: view.handle });
  },
};
