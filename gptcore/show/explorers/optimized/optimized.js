// Optimised against a learned reward: both rewards over the distance from the beginning, the runs that
// differ in one setting on the same axes, and answers with both rewards. What is true is covered until
// the reader has said where it is highest.

import { pick } from "../shared/asked.js";
import { button, choose, fitted, h, hit, idFor, mount, s, say, unseen, within } from "../shared/kit.js";
import { nearest, path, span, ticks } from "../shared/plot.js";

const TRAITS = ["settings", "runs", "texts", "run", "at", "across", "near", "covered", "guess", "alt"];
const KINDS = { learned: "learned reward", true: "true reward" };
const PANEL = 150, GAP = 34, EDGE = { left: 44, right: 52, top: 24, bottom: 44 };
const HEIGHT = EDGE.top + 2 * PANEL + GAP + EDGE.bottom;

// ---------------------------------------------------------------- numbers

/** Where the points of a run stand: √KL. */
export const rootsOf = ({ kl }) => kl.map(Math.sqrt);

/** The place of the largest number, the first of equals. */
export const highest = (values) => values.indexOf(Math.max(...values));

/** The runs beside one: those that differ in the setting at `place` alone, or for -1 all others. */
export function beside(runs, number, place) {
  const same = ({ values }) => values.every((v, i) => i === place || v === runs[number].values[i]);
  return runs.flatMap((run, i) => (i !== number && (place < 0 || same(run)) ? [i] : []));
}

/** The run that another value of a setting leads to, and in which settings it differs besides: none
 *  where that was run, the fewest where not. */
export function reach(runs, number, place, value) {
  const changed = ({ values }) => (
    values.flatMap((v, i) => (i !== place && v !== runs[number].values[i] ? [i] : [])));
  const there = runs.flatMap((run, i) => (run.values[place] === value ? [{ run: i, changed: changed(run) }] : []));
  return there.reduce((best, one) => (one.changed.length < best.changed.length ? one : best));
}

/** Why a value cannot be chosen, and what there is instead. */
export function whyNot(settings, runs, number, place, value) {
  const { run, changed } = reach(runs, number, place, value);
  const of = (i) => changed.map((j) => `${settings[j].name} ${settings[j].values[runs[i].values[j]]}`).join(", ");
  const { name, values } = settings[place];
  return `${name} ${values[value]} was not run with ${of(number)}. The nearest run has ${of(run)}.`;
}

/** The height of a line at x, between its points; null beyond them. Points may lie in any order. */
export function heightAt(xs, ys, x) {
  const order = xs.map((_, i) => i).sort((a, b) => xs[a] - xs[b]);
  const after = order.findIndex((i) => xs[i] >= x);
  if (after < 0 || (after === 0 && xs[order[0]] > x)) return null;
  const to = order[after], from = order[Math.max(0, after - 1)];
  return ys[from] + ((ys[to] - ys[from]) * (x - xs[from])) / (xs[to] - xs[from] || 1);
}

/** How far the true rewards of two runs are apart at most where both have the same √KL, or null. */
export function apart(one, other) {
  const sides = [one, other].map((run) => ({ xs: rootsOf(run), ys: run.true }));
  const gaps = sides.flatMap(({ xs }) => xs).flatMap((x) => {
    const [a, b] = sides.map(({ xs, ys }) => heightAt(xs, ys, x));
    return a === null || b === null ? [] : [Math.abs(a - b)];
  });
  return gaps.length ? Math.max(...gaps) : null;
}

/** How far the axis reaches, in √KL: past the end of all lines or, near the beginning, to twice the
 *  end of the shortest and at least to point `at` of the first. */
export function extent(lines, near, at) {
  const ends = lines.map((run) => Math.max(...rootsOf(run))), [, whole] = span([0, ...ends], 0.02);
  if (!near) return whole;
  return Math.min(whole, Math.max(2 * Math.min(...ends), 1.02 * rootsOf(lines[0])[at]));
}

/** The heights of a line that an axis as long as this one shows. */
export function shown(run, kind, most) {
  const xs = rootsOf(run), edge = heightAt(xs, run[kind], most);
  return [...run[kind].filter((_, i) => xs[i] <= most), ...(edge === null ? [] : [edge])];
}

/** The part of a track that a bar from 0 to a value takes, in percent. */
export function barFor(value, [low, high]) {
  const at = (v) => (100 * (v - low)) / (high - low), [from, to] = [Math.min(0, value), Math.max(0, value)];
  return { left: at(from), width: at(to) - at(from) };
}

/** From the least to the largest of some numbers, 0 between them. */
export function fromZero(values) {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  return low === high ? [0, 1] : [low, high];
}

const number2 = (value) => value.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−");
const pointOf = (run, at) => `${run.step_name} ${run.steps[at]}`;
const placed = (run, at) => `${pointOf(run, at)} (√KL ${number2(Math.sqrt(run.kl[at]))})`;

function changeOf(values, from, to) {
  const change = values[to] - values[from];
  if (Math.abs(change) < 0.005) return "stayed as it was";
  return `${change > 0 ? "gained" : "lost"} ${number2(Math.abs(change))}`;
}

/** What to notice of a run: where the true reward is highest, and what came of both behind that. */
export function noticed(run) {
  const { kl, learned, true: real } = run, top = highest(real), end = real.length - 1;
  const ends = `the end, at √KL = ${number2(Math.sqrt(kl[end]))}`;
  const from = top === end ? 0 : top;
  const both = `it ${changeOf(real, from, end)}, while the learned one ${changeOf(learned, from, end)}.`;
  if (top === end)
    return `The true reward is highest at ${ends}: ${number2(real[top])}. From the beginning ${both}`;
  if (top === 0) return `The true reward was never above the ${number2(real[0])} of the beginning. To ${ends}, ${both}`;
  const where = `√KL = ${number2(Math.sqrt(kl[top]))} (${pointOf(run, top)})`;
  return `The true reward is highest at ${where}: ${number2(real[top])}. From there to ${ends}, ${both}`;
}

/** What to notice of runs beside each other: whether they lie on one line, and where each ends. */
export function together(runs, number, place, { name, values }) {
  const others = beside(runs, number, place), run = runs[number];
  const gaps = others.map((i) => apart(run, runs[i])).filter((gap) => gap !== null);
  const same = gaps.length
    ? `at the same √KL, no line's true reward is more than ${number2(Math.max(...gaps))} from this one's`
    : "no line has a √KL in common with this one";
  const ends = [number, ...others].sort((a, b) => runs[a].values[place] - runs[b].values[place]).map((i) => (
    `${number2(Math.sqrt(runs[i].kl.at(-1)))} (${values[runs[i].values[place]]})`));
  return `Compared by ${name}: ${same}. The lines end at √KL = ${ends.join(", ")}.`;
}

/** What to answer to a guess. */
export function judged(run, at) {
  const top = highest(run.true);
  const right = at === top ? "and there the true reward is highest" : `the true reward is highest at ${placed(run, top)}`;
  return `You guessed ${placed(run, at)}${at === top ? "," : ";"} ${right}.`;
}

/** A point in words. */
export function told(run, at, covered) {
  const real = covered ? "covered" : number2(run.true[at]), words = run.words[at];
  const long = words === null ? "" : `, ${words} words an answer`;
  return `${placed(run, at)}: learned reward ${number2(run.learned[at])}, true reward ${real}${long}.`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, width: 0, rows: [], refused: null };
  view.controls = h("div", { class: "gpt-choices" });
  view.why = h("span");
  view.go = button("Show that run");
  view.refusal = h("p", { class: "op-why", role: "status" }, view.why, " ", view.go);
  view.question = h("p");
  view.here = button("");
  view.open = button("Show the result");
  view.ask = h("div", { class: "op-ask" }, view.question, h("div", { class: "op-row" }, view.here, view.open));
  view.plot = s("svg", { class: "op-plot", role: "img", height: HEIGHT, "aria-label": "Learned and true reward over √KL" });
  const id = idFor("optimized");
  view.clip = idFor("optimized-clip");
  view.near = button("Near the beginning", () => zoom(view));
  view.axis = h("div", { class: "op-row op-slide" }, view.near);
  view.slider = h("input", { type: "range", min: 0, step: 1, id });
  const row = h("div", { class: "op-row op-slide" }, h("label", { for: id }, "Point of the run"), view.slider);
  view.told = h("p", { class: "op-told" });
  view.verdict = h("p", { class: "op-verdict" });
  view.noticed = h("p");
  view.together = h("p");
  view.again = button("Cover the true reward and guess");
  view.result = h("div", { class: "op-result" }, view.verdict, view.noticed, view.together, view.again);
  view.answers = h("div", { class: "op-answers" });
  const note = "√KL: the root of the distance from the beginning, in nats per answer. Strong lines: the "
    + "chosen run, a dot for each evaluation; thin ones: the runs beside it, each with the learned reward "
    + "of its own reward model. A ring marks the highest true reward, an arrow a line that goes on.";
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-optimized" }, view.controls, view.refusal, view.ask, view.axis, view.plot);
  view.root.append(row, view.told, view.result, view.answers, h("p", { class: "gpt-quiet" }, note), view.said);
  view.update = () => update(view);
  return view;
}

/** What is chosen, whatever the model holds. */
function chosen({ model }) {
  const runs = model.get("runs"), settings = model.get("settings"), number = within(model.get("run"), runs.length);
  const run = runs[number], at = within(model.get("at"), run.steps.length), covered = model.get("covered");
  const place = settings.findIndex(({ name }) => name === model.get("across"));
  const guess = model.get("guess"), guessed = guess.length && guess[0] === number && !covered ? guess[1] : null;
  const lines = [number, ...beside(runs, number, place)].map((i) => runs[i]), near = model.get("near");
  return { runs, settings, number, run, at, covered, place, guessed, lines, near, most: extent(lines, near, at) };
}

/** Buttons, which depend on the runs alone: a row for each setting that varies, and what is beside. */
function fill(view) {
  const { settings, runs } = chosen(view);
  [view.drawn, view.refused] = [runs, null];
  const varying = settings.flatMap(({ values }, place) => (values.length > 1 ? [place] : []));
  view.rows = varying.map((place) => ({
    place, buttons: settings[place].values.map((value, i) => button(value, () => press(view, place, i))),
  }));
  const parts = view.rows.map(({ place, buttons }) => pick(settings[place].name, buttons));
  const sides = [...varying, -1];
  view.sides = varying.length ? sides.map((place) => {
    const across = place < 0 ? "" : settings[place].name;
    return { place, one: button(across || "all runs", () => choose(view, { across })) };
  }) : [];
  if (view.sides.length) parts.push(pick("Compare by", view.sides.map(({ one }) => one)));
  view.controls.replaceChildren(...parts);
  view.controls.hidden = !parts.length;
}

function update(view) {
  if (view.drawn !== view.model.get("runs")) fill(view);
  const now = chosen(view), { runs, settings, number, run, at, covered, place, guessed } = now;
  for (const { place: own, buttons } of view.rows) buttons.forEach((one, value) => {
    const missing = reach(runs, number, own, value).changed.length > 0;
    one.setAttribute("aria-pressed", run.values[own] === value);
    one.setAttribute("aria-disabled", missing);
    one.title = missing ? whyNot(settings, runs, number, own, value) : "";
  });
  for (const side of view.sides) side.one.setAttribute("aria-pressed", side.place === place);
  view.refusal.hidden = !view.refused;
  view.why.textContent = view.refused ? whyNot(settings, runs, number, ...view.refused) : "";
  view.near.setAttribute("aria-pressed", now.near);
  view.axis.hidden = !now.near && extent(now.lines, true, 0) > 0.6 * now.most;
  view.slider.max = run.steps.length - 1;
  view.slider.value = at;
  view.told.textContent = told(run, at, covered);
  view.slider.setAttribute("aria-valuetext", view.told.textContent);
  fillAsk(view, now);
  view.result.hidden = covered;
  view.verdict.hidden = guessed === null;
  view.verdict.textContent = guessed === null ? "" : judged(run, guessed);
  view.noticed.textContent = covered ? "" : noticed(run);
  const many = !covered && place >= 0 && beside(runs, number, place).length;
  view.together.textContent = many ? together(runs, number, place, settings[place]) : "";
  fillAnswers(view, now);
  const more = covered ? "" : ` ${view.verdict.textContent} ${view.noticed.textContent}`;
  say(view, view.refused ? "" : `${view.told.textContent}${more}`);
  if (view.width) draw(view, now);
}

function fillAsk(view, { run, at, covered }) {
  view.ask.hidden = !covered;
  if (!covered) return;
  const [from, to] = [run.learned[0], run.learned.at(-1)].map(number2);
  view.question.replaceChildren(h("strong", {}, "Predict first. "), "This run is after a high learned reward, "
    + `which went from ${from} to ${to}. Move along it and read the answers: where is the true reward highest?`);
  view.here.textContent = `Here, at ${pointOf(run, at)}`;
}

// ---------------------------------------------------------------- the answers

function fillAnswers(view, { runs, number, run, at, covered }) {
  const key = `${number} ${at} ${covered}`;
  if (view.answered === key && view.answeredOf === runs) return;
  [view.answered, view.answeredOf] = [key, runs];
  const texts = view.model.get("texts"), all = run.answers.flat();
  const ends = { learned: fromZero(all.map((one) => one[2])), true: fromZero(all.map((one) => one[3])) };
  const card = (title, [, reply, learned, real]) => h("div", { class: "op-card" },
    h("p", { class: "op-name" }, title),
    texts[reply].trim() ? h("p", { class: "op-reply" }, texts[reply]) : h("p", { class: "op-reply gpt-quiet" }, "(no words)"),
    barOf("learned", learned, ends.learned), barOf("true", covered ? null : real, ends.true));
  const blocks = run.answers[at].map((one) => {
    const first = at ? run.answers[0].find(([request]) => request === one[0]) : null;
    const cards = h("div", { class: "op-cards" });
    if (first) cards.append(card(`At the beginning, ${pointOf(run, 0)}`, first));
    cards.append(card(`${at ? "Now" : "At the beginning"}, ${pointOf(run, at)}`, one));
    return h("div", {}, h("p", { class: "op-request" }, texts[one[0]]), cards);
  });
  if (!blocks.length) blocks.push(h("p", { class: "gpt-quiet" }, "No answer of this point was kept."));
  view.answers.replaceChildren(...blocks);
}

/** A reward of an answer: its name, a bar from 0, its number; null for one that is covered. */
function barOf(kind, value, ends) {
  const bar = h("i"), part = barFor(value ?? 0, ends), zero = h("u");
  bar.style.left = `${part.left.toFixed(1)}%`;
  bar.style.width = `${part.width.toFixed(1)}%`;
  zero.style.left = `${barFor(0, ends).left.toFixed(1)}%`;
  const number = h("b", value === null ? { class: "gpt-quiet" } : {}, value === null ? "covered" : number2(value));
  return h("p", { class: `op-bar op-${kind}` }, h("span", {}, kind), h("span", { class: "op-track" }, bar, zero), number);
}

// ---------------------------------------------------------------- the plot

function draw(view, now) {
  const { runs, number, run, at, place, guessed, covered, most } = now;
  const others = beside(runs, number, place), right = view.width - EDGE.right;
  const x = (root) => EDGE.left + (root / most) * (right - EDGE.left);
  const parts = Object.keys(KINDS).flatMap((kind, i) => {
    const top = EDGE.top + i * (PANEL + GAP);
    const title = s("text", { class: `op-kind op-${kind}`, x: EDGE.left, y: top - 9 }, KINDS[kind]);
    if (covered && kind === "true") return [title, ...cover(top, right)];
    return [title, ...panel(now, others, { kind, top, right, x, clip: `url(#${view.clip})` })];
  });
  const bottom = EDGE.top + 2 * PANEL + GAP, middle = { x: (EDGE.left + right) / 2, "text-anchor": "middle" };
  for (const value of ticks(0, most, view.width < 500 ? 4 : 8))
    parts.push(s("text", { x: x(value), y: bottom + 17, "text-anchor": "middle" }, `${value}`));
  parts.push(s("text", { ...middle, y: HEIGHT - 6 }, "√KL from the beginning"));
  const upright = (name, i) => s("path", { class: name, d: `M${x(rootsOf(run)[i])},${EDGE.top}V${bottom}` });
  const frame = { x: EDGE.left, y: 0, width: Math.max(0, right - EDGE.left), height: HEIGHT };
  parts.unshift(s("clipPath", { id: view.clip }, s("rect", frame)), upright("op-now", at));
  if (guessed !== null && rootsOf(run)[guessed] <= most) {
    const from = x(rootsOf(run)[guessed]), left = from > (EDGE.left + right) / 2;
    parts.push(upright("op-guess", guessed), s("text", {
      class: "op-yours", x: from + (left ? -6 : 6), y: bottom - 7, "text-anchor": left ? "end" : "start",
    }, "your guess"));
  }
  view.plot.setAttribute("width", view.width);
  view.plot.setAttribute("viewBox", `0 0 ${view.width} ${HEIGHT}`);
  view.plot.replaceChildren(...parts);
}

/** What stands for the true reward while it is covered. */
const cover = (top, right) => [
  s("rect", { class: "op-cover", x: EDGE.left, y: top, width: right - EDGE.left, height: PANEL, rx: 6 }),
  s("text", { x: (EDGE.left + right) / 2, y: top + PANEL / 2 + 4, "text-anchor": "middle" }, "covered until you have guessed"),
];

/** One reward: its axis, the runs beside, the chosen run with a dot for each evaluation. */
function panel({ runs, number, run, at, place, settings, most, lines }, others, { kind, top, right, x, clip }) {
  const [low, high] = span(lines.flatMap((one) => shown(one, kind, most)), 0.08);
  const y = (value) => top + ((high - value) / (high - low)) * PANEL, lineOf = (one) => path(rootsOf(one), one[kind], x, y);
  const parts = ticks(low, high, 4).flatMap((value) => [
    s("path", { class: "op-rule", d: `M${EDGE.left},${y(value)}H${right}` }),
    s("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, `${value}`.replace("-", "−")),
  ]);
  const ends = [number, ...others].map((i) => {
    const one = runs[i], roots = rootsOf(one), last = roots.at(-1);
    const text = place < 0 ? "" : settings[place].values[one.values[place]];
    if (last <= most) return { i, x: x(last), y: y(one[kind].at(-1)), own: i === number, text, whole: true };
    return { i, x: right, y: y(heightAt(roots, one[kind], most)), own: i === number, text: `${text} →`, whole: false };
  });
  const line = (names, i, more = {}) => s("path", { class: names, d: lineOf(runs[i]), "clip-path": clip, ...more });
  for (const { i, x: cx, y: cy, whole } of ends.slice(1)) {
    parts.push(line(`op-line op-beside op-${kind}`, i));
    if (whole) parts.push(s("circle", { class: `op-stop op-${kind}`, cx, cy, r: 2.6 }));
    parts.push(line("op-reach", i, { "data-run": i }));
  }
  parts.push(line(`op-line op-${kind}`, number));
  rootsOf(run).forEach((root, i) => {
    if (root > most) return;
    const dot = { cx: x(root), cy: y(run[kind][i]), "data-at": i };
    if (kind === "true" && i === highest(run.true)) parts.push(s("circle", { ...dot, class: "op-ring", r: 10 }));
    const here = i === at ? "op-here" : "";
    parts.push(s("circle", { ...dot, class: `op-dot op-${kind} ${here}`, r: here ? 6 : 3.5 }));
  });
  return place < 0 ? parts : [...parts, ...names(ends, right + EDGE.right)];
}

/** Names at the ends of lines, within `limit`: the chosen one's first and, where it is short, beside
 *  its end, others above; one that would stand on another is left out. */
function names(ends, limit) {
  const kept = [];
  for (const one of ends)
    if (kept.every(({ x, y }) => Math.abs(one.y - y) > 13 || Math.abs(one.x - x) > 44)) kept.push(one);
  return kept.map(({ x, y, own, text }) => {
    const name = { class: own ? "op-end op-own" : "op-end" };
    if (own && text.length < 6) return s("text", { ...name, x: x + 10, y: y + 4 }, text);
    return s("text", { ...name, x: Math.min(x, limit - 3.6 * text.length), y: y - 10, "text-anchor": "middle" }, text);
  });
}

// ---------------------------------------------------------------- what the reader does

/** Go to another run, to the point of it that is as far from the beginning. */
function goTo(view, number) {
  const { runs, run, at } = chosen(view);
  view.refused = null;
  choose(view, { run: number, at: nearest(rootsOf(runs[number]), Math.sqrt(run.kl[at])) });
}

/** To the beginning, the point of the run with it, or back to all of the lines. */
function zoom(view) {
  const { lines, near, run, at } = chosen(view), roots = rootsOf(run), most = extent(lines, true, 0);
  choose(view, near ? { near: false } : { near: true, at: roots[at] <= most ? at : nearest(roots, most) });
}

/** Choose a value of a setting; one that was not run says why. */
function press(view, place, value) {
  const { runs, number } = chosen(view), { run, changed } = reach(runs, number, place, value);
  if (!changed.length) return goTo(view, run);
  view.refused = [place, value];
  view.update();
}

/** Show what is true, and go on at the slider: the button that was pressed is gone. */
function uncover(view, guess) {
  choose(view, { covered: false, guess });
  view.slider.focus({ preventScroll: true });
}

function listen(view) {
  view.slider.addEventListener("input", () => choose(view, { at: +view.slider.value }));
  view.go.addEventListener("click", () => {
    const { runs, number } = chosen(view);
    goTo(view, reach(runs, number, ...view.refused).run);
    view.slider.focus({ preventScroll: true });
  });
  view.here.addEventListener("click", () => uncover(view, [chosen(view).number, chosen(view).at]));
  view.open.addEventListener("click", () => uncover(view, []));
  view.again.addEventListener("click", () => {
    choose(view, { covered: true, guess: [] });
    view.slider.focus({ preventScroll: true });
  });
  view.plot.addEventListener("click", (event) => {
    const dot = hit(event, "[data-at]"), line = hit(event, "[data-run]");
    if (dot) return choose(view, { at: +dot.dataset.at });
    if (line) return goTo(view, +line.dataset.run);
    const { left } = view.plot.getBoundingClientRect(), { run, most } = chosen(view);
    const where = ((event.clientX - left - EDGE.left) / (view.width - EDGE.left - EDGE.right)) * most;
    choose(view, { at: nearest(rootsOf(run), where) });
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    return mount(el, view, { traits: TRAITS, resized: fitted(view) });
  },
};
