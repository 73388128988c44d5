// The next token, step by step: temperature scales, top-k and top-p cut, a number between 0 and 1
// draws. Two rules of top-p are published; the token at which they part is marked.
//
// All numbers come from `places`, the distributions recorded at some places of a text. What gives
// them is not this script's business: anything that says tokens, logits and the weight of the rest.

import {
  along, button, choose, h, hit, idFor, later, mount, pointing, say, unseen, within,
} from "../shared/kit.js";
import { drawnBy, numbers, topK, topP } from "../shared/drawing.js";
import { inked } from "../shared/tokens.js";

const RULES = ["textbook", "openai"];
const NAMES = { textbook: "textbook", openai: "GPT-2's code" };
const RULED = { textbook: "the textbook's rule", openai: "that of GPT-2's code" };
const NOTE = "Orange: the token at which the two rules part. Struck out: cut. The strip above shows what a "
  + "random number from 0 to 1 would draw.";
const TRAITS = ["text", "places", "at", "temperature", "top_k", "top_p", "rule", "alt"];
const STEPS = ["the model", "temperature", "top-k", "top-p"];

// ---------------------------------------------------------------- numbers

/** Probabilities of the listed tokens and of all others together, at one of the temperatures. */
export function scaled({ logits, rest }, i, temperature) {
  const all = logits.map((logit) => logit / temperature);
  const top = Math.max(...all, rest.length ? rest[i] : -Infinity);
  const weights = all.map((value) => Math.exp(value - top));
  const others = rest.length ? Math.exp(rest[i] - top) : 0;
  const sum = weights.reduce((a, b) => a + b, others);
  return { p: weights.map((weight) => weight / sum), others: others / sum };
}

/** Everything that the picture shows of one place under some settings. */
export function steps(place, temperatures, { temperature, top_k, top_p, rule }) {
  const plain = scaled(place, temperatures.indexOf(1), 1);
  const hot = scaled(place, temperatures.indexOf(temperature), temperature);
  const k = topK(hot.p, top_k), cut = Boolean(top_k);
  const mass = cut ? sum(hot.p.slice(0, k)) : 1;
  const left = hot.p.slice(0, k).map((value) => value / mass), others = cut ? 0 : hot.others;
  const counts = Object.fromEntries(RULES.map((one) => [one, topP(left, others, top_p, one)]));
  const n = counts[rule];
  const whole = n === null ? 1 : sum(left.slice(0, n));
  const final = left.slice(0, n ?? left.length).map((value) => value / whole);
  const open = n === null ? others : 0; // what tokens that are not listed can be drawn with
  return { plain: plain.p, hot: hot.p, others: hot.others, k: cut ? k : null, counts, n, final, open };
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** What became of token i: "kept", "k" or "p" (cut by that), or "part" where the rules part. */
export function fate({ k, counts, n }, i, rule) {
  if (k !== null && i >= k) return "k";
  const [a, b] = RULES.map((one) => counts[one] === null || i < counts[one]);
  if (a !== b) return (rule === "textbook" ? a : b) ? "part-kept" : "part-cut";
  return n === null || i < n ? "kept" : "p";
}

export const percent = (p) => (p >= 0.0995 ? `${(100 * p).toFixed(0)} %` : p >= 0.0005
  ? `${(100 * p).toFixed(1)} %` : "< 0.1 %");

/** What the settings leave, in words. */
export function told(found, { rule, top_p }) {
  const { counts, k, n, open } = found, many = (x) => (x === null ? "more than are listed" : `${x}`);
  const parts = [];
  if (k !== null) parts.push(`top-k leaves ${k}`);
  if (top_p < 1) {
    const other = RULES.find((one) => one !== rule);
    const same = counts[rule] === counts[other] ? "the other rule as many"
      : `${many(counts[other])} by ${RULED[other]}`;
    parts.push(`top-p leaves ${many(n)} by ${RULED[rule]}, ${same}`);
  }
  if (!parts.length) parts.push("nothing is cut");
  return `${parts.join("; ")}.${open ? ` Tokens that are not listed keep ${percent(open)}.` : ""}`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, point: -1, tally: new Map(), u: null, last: null, random: numbers(1) };
  const id = idFor("sampling");
  view.text = h("p", { class: "sm-text", role: "listbox", tabindex: 0, "aria-label": "Places of the text" });
  const slider = (name, label, max, min = 0) => {
    const input = h("input", { type: "range", min, max, step: 1, id: `${id}-${name}` });
    const value = h("output", { for: input.id });
    view[name] = { input, value };
    return h("label", { class: "sm-slider" }, h("span", {}, label), input, value);
  };
  const controls = h("div", { class: "sm-controls" },
    slider("temperature", "temperature", model.get("temperatures").length - 1),
    slider("top_k", "top-k", model.get("places")[0].tokens.length),
    slider("top_p", "top-p", 100, 1));
  view.rules = RULES.map((rule) => button(NAMES[rule], () => choose(view, { rule })));
  view.draw = [1, 100].map((n) => button(n === 1 ? "draw one" : "draw 100", () => draw(view, n)));
  view.clear = button("forget", () => forget(view));
  const group = (name, ...inside) => h("div", { class: "sm-pair", role: "group", "aria-label": name }, ...inside);
  const buttons = h("div", { class: "sm-buttons" }, h("span", {}, "top-p as in"),
    group("Rule of top-p", ...view.rules), group("Draws", ...view.draw, view.clear));
  view.told = h("p", { class: "sm-told" });
  view.strip = h("div", { class: "sm-strip", "aria-hidden": "true" });
  const names = ["token", ...STEPS, "drawn"].map((name) => h("span", { role: "columnheader" }, name));
  view.head = h("div", { class: "sm-row sm-head", role: "row" }, ...names);
  view.rows = h("div", { class: "sm-rows", role: "rowgroup", tabindex: 0, "aria-label": "Tokens, likeliest first" });
  view.table = h("div", { class: "sm-table", role: "table", "aria-label": "Probabilities after each step" },
    view.head, view.rows);
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-sampling" }, view.text, controls, buttons, view.told,
    view.strip, view.table, h("p", { class: "gpt-quiet" }, NOTE), view.said);
  view.update = () => update(view);
  return view;
}

const settingsOf = (model) => Object.fromEntries(
  ["temperature", "top_k", "top_p", "rule"].map((name) => [name, model.get(name)]));

/** A token with signs for what leaves no ink. */
const shown = ([text, kind]) => h("span", { class: "tk-own" },
  ...inked(kind === "bytes" ? [{ byte: text }] : [...text].map((one) => ({ text: one }))));

function update(view) {
  const { model } = view, places = model.get("places"), at = within(model.get("at"), places.length);
  const place = places[at], settings = settingsOf(model);
  const key = JSON.stringify([at, settings]);
  if (view.key !== key) {
    if (view.key) wipe(view);
    view.key = key;
  }
  if (view.drawn !== places) fillText(view, places);
  if (view.drawn !== places || view.shownAt !== at) fillRows(view, place);
  [view.drawn, view.shownAt] = [places, at];
  const temperatures = model.get("temperatures");
  const found = steps(place, temperatures, settings);
  view.found = found;
  for (const chip of view.chips) {
    if (chip.dataset.i) chip.setAttribute("aria-selected", +chip.dataset.i === at);
    chip.classList.toggle("sm-later", +chip.dataset.token > place.before);
  }
  set(view.temperature, temperatures.indexOf(settings.temperature), `${settings.temperature}`);
  set(view.top_k, settings.top_k, settings.top_k ? `${settings.top_k}` : "off");
  set(view.top_p, Math.round(100 * settings.top_p), settings.top_p < 1 ? settings.top_p.toFixed(2) : "off");
  view.rules.forEach((one, i) => one.setAttribute("aria-pressed", RULES[i] === settings.rule));
  paint(view, found, settings);
  const drawn = view.last === null ? "" : ` Drawn: ${nameOf(place, view.last)}.`;
  view.told.textContent = told(found, settings) + drawn;
  say(view, view.told.textContent);
}

const nameOf = (place, i) => (i < 0 ? "a token that is not listed" : `“${place.tokens[i][0].replaceAll("\n", "↵")}”`);

function set({ input, value }, number, text) {
  if (+input.value !== number) input.value = number;
  input.setAttribute("aria-valuetext", text);
  value.textContent = text;
}

/** The text, with the tokens that can be chosen as chips. */
function fillText(view, places) {
  const tokens = view.model.get("text"), last = Math.max(...places.map(({ before }) => before));
  view.chips = tokens.slice(0, last + 1).map(([text], i) => {
    const place = places.findIndex(({ before }) => before === i);
    const chosen = place < 0 ? {} : { "data-i": place, role: "option", class: "sm-place" };
    const blank = chosen.role && !text.trim(); // nothing that could be its name
    const named = blank ? { "aria-label": text.includes("\n") ? "line break" : "space" } : {};
    return h("span", { "data-token": i, ...chosen, ...named }, text);
  });
  view.text.replaceChildren(...view.chips);
}

function fillRows(view, place) {
  view.cells = place.tokens.map((token, i) => {
    const bars = STEPS.map(() => h("span", { role: "cell", class: "sm-bar" }, h("i"), h("b")));
    const drawn = h("span", { role: "cell", class: "sm-drawn" });
    const row = h("div", { class: "sm-row", role: "row", "data-row": i },
      h("span", { role: "rowheader", class: "sm-token" }, shown(token)), ...bars, drawn);
    return { row, bars, drawn };
  });
  view.others = h("p", { class: "sm-others gpt-quiet" });
  view.rows.replaceChildren(...view.cells.map(({ row }) => row), view.others);
  view.rows.scrollTop = 0;
}

function paint(view, found, settings) {
  const { plain, hot, k, final } = found;
  const mass = k === null ? 1 : sum(hot.slice(0, k));
  const most = Math.max(plain[0], hot[0] / mass, final[0]);
  view.cells.forEach(({ row, bars, drawn }, i) => {
    const became = fate(found, i, settings.rule), cutK = k !== null && i >= k;
    const values = [plain[i], hot[i], cutK ? null : hot[i] / mass, final[i] ?? null];
    row.dataset.fate = became;
    bars.forEach((bar, step) => {
      const value = values[step];
      bar.firstChild.style.width = `${(100 * (value ?? 0)) / most}%`;
      bar.lastChild.textContent = value === null ? "–" : percent(value);
    });
    const times = view.tally.get(i) ?? 0;
    drawn.textContent = times ? `${times} ×` : "";
    row.classList.toggle("sm-last", view.last === i);
    row.setAttribute("aria-label", spoken(view, i, became, values));
  });
  const { others } = view.model.get("places")[view.shownAt], rest = view.tally.get(-1);
  view.others.textContent = others
    ? `${others.toLocaleString("en")} more tokens together: ${percent(found.others)} after temperature`
      + `${found.open ? `, ${percent(found.open)} to draw from` : ", all cut"}${rest ? `, drawn ${rest} ×` : ""}`
    : "";
  paintStrip(view, found);
}

const FATES = {
  kept: "kept", k: "cut by top-k", p: "cut by top-p",
  "part-kept": "kept by this rule of top-p, cut by the other",
  "part-cut": "cut by this rule of top-p, kept by the other",
};

function spoken({ model, shownAt }, i, became, values) {
  const [text] = model.get("places")[shownAt].tokens[i];
  const says = values.map((value, step) => `${STEPS[step]} ${value === null ? "cut" : percent(value)}`);
  return `${i + 1}: “${text}”, ${FATES[became]}; ${says.join(", ")}`;
}

/** From 0 to 1, what each number draws; a mark where the last number fell. */
function paintStrip({ strip, u }, { final }) {
  const parts = final.map((p, i) => {
    const part = h("span", { class: i % 2 ? "sm-odd" : "" });
    part.style.width = `${100 * p}%`;
    return part;
  });
  const mark = h("i");
  mark.hidden = u === null;
  mark.style.left = `${100 * (u ?? 0)}%`;
  strip.replaceChildren(...parts, mark);
}

// ---------------------------------------------------------------- what the reader does

function draw(view, n) {
  for (let i = 0; i < n; i += 1) {
    view.u = view.random();
    view.last = drawnBy(view.found.final, view.u);
    view.tally.set(view.last, (view.tally.get(view.last) ?? 0) + 1);
  }
  later(view);
  view.cells[view.last]?.row.scrollIntoView({ block: "nearest" });
}

function wipe(view) {
  view.tally.clear();
  [view.u, view.last] = [null, null];
}

function forget(view) {
  wipe(view);
  later(view);
}

function listen(view) {
  const { model, text, rows } = view;
  const temperatures = model.get("temperatures");
  const values = {
    temperature: (i) => temperatures[i], top_k: (k) => k, top_p: (percentage) => percentage / 100,
  };
  for (const [name, value] of Object.entries(values))
    view[name].input.addEventListener("input", () => choose(view, { [name]: value(+view[name].input.value) }));
  const under = (event) => {
    const chip = hit(event, "[data-i]");
    return chip && +chip.dataset.i;
  };
  pointing(text, { under, show: () => {}, keep: (at) => choose(view, { at }) });
  text.addEventListener("keydown", (event) => {
    const at = along(event.key, model.get("at"), model.get("places").length);
    if (at === null) return;
    event.preventDefault();
    choose(view, { at });
  });
  rows.addEventListener("keydown", (event) => {
    if (event.key !== "d") return;
    event.preventDefault();
    draw(view, 1);
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    return mount(el, view, { traits: TRAITS });
  },
};
