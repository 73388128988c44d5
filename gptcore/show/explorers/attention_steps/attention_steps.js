// Attention, step by step: one head of a model from its queries, keys and values to its output.
// The state holds the vectors; everything after them is worked out here, so that every number can
// show the numbers that made it. Layers, heads and positions count from 0.

import {
  button, cellBox, cellUnder, choose, h, later, moved, mount, pointing, rgb, say, small, typing,
  unseen, within,
} from "../shared/kit.js";
import { buildTexts, called, fillTexts, listenToTexts, looksOf, namesOf } from "../shared/texts.js";
import {
  brief, cellOf, layout, leaks, legible, pixels, pointAt, reach, reader, shade, STEPS, strength,
  vectors, verdict, walk, written,
} from "./numbers.js";
import { DETAILS } from "./details.js";

export const MASKS = { causal: "later tokens −∞", none: "no mask", zero: "later tokens 0" };
const KEY = {
  minus: "negative", plus: "positive", barred: "may not be read",
  leaks: "weight on what may not be read",
};
// what the small pictures show: scaled scores look as scores do
const SMALL = ["q", "scores", "scores", "masked", "weights", "output"];
const ASKED = 4; // the step that the reader predicts before it is shown
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

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, width: 0, kept: null, peek: null, open: false, asking: null, verdict: null };
  view.drawn = {};
  buildTexts(view, model.get("asks"));
  view.choice.className = "st-text";
  view.heads = h("select", { class: "st-head" });
  for (let layer = 0; layer < model.get("n_layer"); layer++)
    for (let head = 0; head < model.get("n_head"); head++)
      view.heads.append(h("option", { value: `${layer},${head}` }, `layer ${layer}, head ${head}`));
  view.slider = h("input", { type: "range", min: 0, max: STEPS.length - 1, "aria-label": "Step" });
  view.small = STEPS.map(({ short }, step) => {
    const picture = h("canvas"), band = h("i");
    const frame = h("span", { class: "st-frame" }, picture, band), hidden = { tabindex: -1, "aria-hidden": "true" };
    const made = button(frame, () => choose(view, { step }), hidden);
    made.append(h("span", { class: "st-short" }, short));
    return { button: made, picture, band };
  });
  view.title = h("p", { class: "st-title" });
  view.text = h("p", { class: "st-about" });
  view.question = h("div", { class: "st-question", role: "group", "aria-label": "Predict first" });
  view.masks = h("div", { class: "st-masks", role: "group", "aria-label": "Mask" }, h("span", {}, "Mask"));
  view.maskButtons = Object.entries(MASKS).map(([mask, text]) => (
    button(text, () => chooseMask(view, mask), { "data-mask": mask })));
  view.masks.append(...view.maskButtons);
  view.leak = h("p", { class: "st-leak", role: "status" });
  view.labels = h("div", { class: "st-labels", "aria-hidden": "true" });
  view.panels = [0, 1, 2].map(() => {
    const canvas = h("canvas", { "aria-hidden": "true" }), over = h("div", { class: "st-over" });
    const frame = h("div", { class: "st-panel", role: "application", tabindex: 0 }, canvas, over);
    return { frame, canvas, over };
  });
  view.stage = h("div", { class: "st-stage" }, view.labels, ...view.panels.map(({ frame }) => frame));
  view.detail = h("div", { class: "st-detail" });
  view.key = h("p", { class: "st-key", "aria-hidden": "true" });
  for (const [name, text] of Object.entries(KEY))
    view.key.append(h("span", { class: `st-${name}` }, h("i"), text));
  view.floor = h("div", { class: "st-floor" }, h("div", {}, view.stage, view.key), view.detail);
  view.said = unseen();
  const track = h("div", { class: "st-track" }, ...view.small.map(({ button }) => button));
  view.root = h("div", { class: "gpt-explorer gpt-steps" });
  view.root.append(
    h("div", { class: "st-choices" }, h("label", { class: "st-wide" }, "Text ", view.choice),
      h("label", {}, "Head ", view.heads)),
    ...[view.form, view.note, h("div", { class: "st-steps" }, track, view.slider)],
    ...[view.title, view.text, view.masks, view.leak, view.question, view.floor, view.said],
  );
  const one = view.heads.options.length === 1;
  view.heads.parentElement.hidden = one;
  view.choice.parentElement.hidden = one && model.get("texts").length === 1;
  view.update = () => update(view);
  return view;
}

/** What is chosen now, whatever the model holds, and all its matrices. */
function chosen(view) {
  const { model } = view, sizes = model.get("sizes"), looks = looksOf(model);
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
  if (drawn.key !== key || drawn.look !== now.look || drawn.looks !== now.looks.length) {
    Object.assign(drawn, { key, looks: now.looks.length, look: now.look, step: now.step });
    fillChoices(view, now);
    tell(view, now);
    paint(view);
  }
  fillQuestion(view, now);
  point(view, now);
}

function fillChoices(view, now) {
  const { layer, head, step, mask } = now;
  fillTexts(view, now);
  view.heads.value = `${layer},${head}`;
  view.slider.value = step;
  view.slider.setAttribute("aria-valuetext", `${step + 1} of ${STEPS.length}: ${STEPS[step].title}`);
  for (const [i, { button }] of view.small.entries()) {
    button.classList.toggle("st-now", i === step);
    button.classList.toggle("st-done", i < step);
  }
  for (const made of view.maskButtons) made.ariaPressed = `${made.dataset.mask === mask}`;
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
    h("span", { class: "st-count" }, `${step + 1} of ${STEPS.length}`), ` ${STEPS[step].title}`,
  );
  view.text.textContent = about(step, mask, sizes[0]);
  view.masks.hidden = step < 3;
  view.key.className = `st-key st-at-${STEPS[step].name} st-${mask}`;
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
  const again = button(more, () => {
    view.kept = { ...view.kept, q: (view.kept.q + 1) % T };
    view.verdict = null;
    ask(view, T);
    later(view);
  });
  question.classList.toggle("st-asks", view.asking !== null || told !== null);
  if (view.asking === null) {
    question.replaceChildren(...(told ? [h("p", {}, told.text)] : []), again);
    return;
  }
  const names = namesOf(look.tokens), name = (i) => h("q", {}, names[i]);
  const text = h("p", {}, h("b", {}, "Predict first. "), "Which token will ", name(view.asking));
  text.append(` (row ${view.asking}) give most weight? Choose its cell in that row`);
  const chips = h("div", { class: "st-chips" });
  if (T <= LABELLED) {
    text.append(", or its name:");
    names.forEach((token, i) => {
      chips.append(button(token, () => answer(view, i)));
    });
  } else text.append(".");
  chips.append(button("Show me", () => answer(view, null), { class: "st-skip" }));
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
  view.palette = Object.fromEntries(Object.entries(names).map(([name, variable]) => (
    [name, rgb(view, `--gpt-${variable}`)])));
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
    button.classList.toggle("st-hidden", hidden);
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
  frame.classList.toggle("st-hidden", hidden);
  const barred = kind === "masked" || kind === "weights";
  frame.classList.toggle("st-hatched", barred && now.mask === "causal");
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
    context.fillStyle = rgb(plain ? ink : legible(on));
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
    const element = put(view, flat ? "st-column st-flat" : "st-column", style, names[i] ?? "");
    view.marks.columns.push({ element, i, x, cell });
  }
  return height + 2;
}

function rowNames(view, { kind, x, y, h: high, of }, names, every) {
  const cell = high / names.length, width = x - 6;
  if (cell < 11 && every[0] !== null && kind === "v") return;
  for (const i of every) {
    const style = { left: 0, top: y + cell * (i ?? 0), width, height: Math.max(cell, 14) };
    const element = put(view, cell < 17 ? "st-rowname st-tight" : "st-rowname", style, names[i] ?? "");
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
  const element = put(view, beside ? "st-caption st-beside" : "st-caption", style, name);
  element.firstChild.append(h("small", {}, ` ${rows} × ${columns}`));
}

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
    const box = (name, ...places) => cellBox(name, places, rows, columns);
    const across = box("st-band", 0, row, columns, 1), down = box("st-band", column, 0, 1, rows);
    const boxes = [], mine = at.kind === (kind === "kT" ? "k" : kind);
    if (kind === "kT" || (kind === "v" && step === 5)) boxes.push(down);
    else if (step === 0) boxes.push(box("st-band", 0, cellOf(at.kind, at).row, columns, 1));
    else if (kind === "q") boxes.push(across);
    else if (kind === "weights" && step === 5) boxes.push(across);
    else if (step === ASKED) boxes.push(across);
    if (kind === made || mine || (step > 1 && step < 5)) boxes.push(box("st-cell", column, row, 1, 1));
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
    element.classList.toggle("st-chosen", i === null || i === mine);
    if (i !== null) continue;
    element.style.top = `${y + (mine + 0.5) * cell - 7}px`;
    element.firstChild.textContent = called(look.tokens[mine]);
  }
  for (const { element, i, x, cell } of view.marks?.columns ?? []) {
    element.classList.toggle("st-chosen", i === null || i === at.k);
    if (i !== null) continue;
    element.style.left = `${x + (at.k + 0.5) * cell - 7}px`;
    element.firstChild.textContent = called(look.tokens[at.k]);
  }
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
  const text = view.detail.firstChild?.textContent ?? "";
  say(view, text);
}

// ---------------------------------------------------------------- what the reader does

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

function listenToPanel(view, part) {
  const { frame } = part;
  const under = (event) => cellUnder(event, frame, part.place.rows, part.place.columns);
  const asked = () => view.asking !== null && part.place.kind === "weights";
  const found = (event) => {
    const cell = under(event);
    if (!cell) return null;
    return pointAt(part.place.kind, asked() ? { ...cell, row: view.asking } : cell);
  };
  const show = (peek) => {
    view.peek = peek;
    later(view);
  };
  const keep = (at) => {
    if (asked()) return answer(view, at.k);
    view.kept = { ...view.kept, ...at };
    show(null);
  };
  pointing(frame, { under: found, show, keep });
  frame.addEventListener("keydown", (event) => onPanelKey(view, event, part.place));
}

function listen(view) {
  const { root, heads, slider } = view;
  for (const part of view.panels) listenToPanel(view, part);
  root.addEventListener("keydown", (event) => {
    const step = { "[": -1, "]": 1, PageUp: -1, PageDown: 1 }[event.key];
    if (!step || typing(event)) return;
    event.preventDefault();
    turn(view, step);
  });
  heads.addEventListener("change", () => {
    const [layer, head] = heads.value.split(",").map(Number);
    choose(view, { layer, head });
  });
  slider.addEventListener("input", () => choose(view, { step: +slider.value }));
  return listenToTexts(view, "attention_steps", (text) => choose(view, { text }));
}

export default {
  render({ model, el }) {
    const view = build(model), silence = listen(view);
    const painted = () => {
      view.palette = null;
      Object.assign(view.drawn, { key: null, detail: null });
      update(view);
    };
    const resized = () => {
      if (view.width === view.floor.clientWidth) return;
      view.width = view.floor.clientWidth;
      painted();
    };
    const traits = ["texts", "text", "layer", "head", "step", "mask"];
    const end = mount(el, view, { traits, resized, painted });
    return () => {
      silence();
      end();
    };
  },
};
