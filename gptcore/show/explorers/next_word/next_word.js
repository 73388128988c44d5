// What comes after a text, by a table of n-grams and by a GPT, side by side. The table is worked out
// here, from the tokens that were counted; what the GPT says stands in each text's look.

import { button, choose, count, h, idFor, mount, say, unseen, within } from "../shared/kit.js";
import {
  buildTexts, fillTexts, listenToTexts, looksOf, running, signs,
} from "../shared/texts.js";

const TRAITS = ["texts", "text", "own", "back", "alt"];

// ---------------------------------------------------------------- numbers

/** The ids that were counted. */
export const idsOf = (bytes) =>
  Uint16Array.from({ length: bytes.byteLength / 2 }, (_, i) => bytes.getUint16(2 * i, true));

/** Places of `counted` that come after the last `length` ids of a context, among places so far. */
function narrowed(places, counted, context, length) {
  const wanted = context[context.length - length];
  return places.filter((at) => counted[at - length] === wanted);
}

/** How often each token stands at these places; below the top: behind how many different ones. */
function counts(counted, places, length, top, V) {
  const found = new Float64Array(V), pairs = new Set();
  for (const at of places) {
    const pair = counted[at - length - 1] * V + counted[at];
    if (!top && pairs.has(pair)) continue;
    pairs.add(pair);
    found[counted[at]] += 1;
  }
  return found;
}

/**
 * Interpolated Kneser-Ney: the probability of every token after a context, how many of its tokens
 * were met together, and how often.
 */
export function tableSays(counted, context, back, V, discount) {
  let p = new Float64Array(V).fill(1 / V), met = 0, times = 0;
  let places = Array.from({ length: counted.length - back }, (_, i) => i + back);
  for (let length = 0; length <= Math.min(back, context.length); length += 1) {
    if (length) places = narrowed(places, counted, context, length);
    if (!places.length) break;
    const found = counts(counted, places, length, length === back, V);
    const sum = found.reduce((a, b) => a + b, 0);
    const taken = discount * found.reduce((n, value) => n + (value > 0), 0);
    p = p.map((shorter, i) => (Math.max(found[i] - discount, 0) + taken * shorter) / sum);
    [met, times] = [length, places.length];
  }
  return { p, met, times };
}

/** [id, probability] of the likeliest, best first. */
export function best(p, top) {
  return [...p.keys()].sort((a, b) => p[b] - p[a] || a - b).slice(0, top).map((id) => [id, p[id]]);
}

export const percent = (p) => (p >= 0.0995 ? `${(100 * p).toFixed(0)} %`
  : p >= 0.0005 ? `${(100 * p).toFixed(1)} %` : "< 0.1 %");

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, drawn: {}, counted: idsOf(model.get("counted")), memory: new Map() };
  buildTexts(view);
  view.id = idFor("next");
  view.choice.id = `${view.id}-text`;
  view.text = h("p", { class: "nw-text" });
  view.backs = Array.from({ length: model.get("longest") }, (_, i) =>
    button(`${i + 1}`, () => choose(view, { back: i + 1 })));
  const backs = h("div", { class: "nw-backs", role: "group", "aria-label": "How many tokens the table looks back" },
    h("span", {}, "The table looks back at"), ...view.backs, h("span", {}, "tokens"));
  view.told = h("p", { class: "nw-told gpt-quiet" });
  const column = (name) => {
    const list = h("ol", { class: "nw-list", "aria-label": `Likeliest next tokens by the ${name}` });
    return [list, h("div", { class: "nw-column" }, h("h4", {}, name), list)];
  };
  const [table, left] = column("table"), [gpt, right] = column("GPT");
  view.lists = [table, gpt];
  view.said = unseen();
  const chosen = h("label", { class: "nw-choice", for: view.choice.id }, h("span", {}, "After the text"), view.choice);
  view.root = h("div", { class: "gpt-explorer gpt-next" }, chosen, view.form, view.note, view.text, backs,
    h("div", { class: "nw-columns" }, left, right), view.told, view.said);
  view.update = () => update(view);
  return view;
}

/** What the table says after a text, remembered. */
function tableOf(view, look, back) {
  const key = `${back} ${look.ids.slice(-back)}`;
  if (!view.memory.has(key)) {
    const { model, counted } = view, V = model.get("names").length;
    view.memory.set(key, tableSays(counted, look.ids, back, V, model.get("discount")));
  }
  return view.memory.get(key);
}

function update(view) {
  const { model, drawn } = view, looks = looksOf(model);
  const text = within(model.get("text"), looks.length), look = looks[text];
  const back = within(model.get("back") - 1, model.get("longest")) + 1;
  if (drawn.looks !== looks.length || drawn.look !== look) fillTexts(view, { looks, text, look });
  drawn.looks = looks.length;
  if (drawn.look === look && drawn.back === back) return;
  Object.assign(drawn, { look, back });
  view.backs.forEach((one, i) => one.setAttribute("aria-pressed", i + 1 === back));
  const from = Math.max(0, look.tokens.length - back);
  view.text.replaceChildren(...look.tokens.map((token, i) =>
    h("span", { class: i < from ? "" : "nw-seen" }, ...running(token))), h("span", { class: "nw-gap" }, " ?"));
  const table = tableOf(view, look, back), top = model.get("top");
  const both = [best(table.p, top), look.gpt], most = Math.max(...both.map(([[, p]]) => p));
  both.forEach((rows, i) => fill(view, view.lists[i], rows, most, look));
  view.told.textContent = toldOf(view, look, table);
  say(view, view.told.textContent);
}

/** How often the table has met what it looks at. */
function toldOf({ model, counted }, look, { met, times }) {
  const back = Math.min(model.get("back"), look.ids.length);
  const words = (n) => `“${look.tokens.slice(look.tokens.length - n).map(([text]) => text).join("").trim()}”`;
  const counts = `in the ${count(counted.length)} tokens that were counted`;
  if (met === back) return `Met ${count(times)} times ${counts}: ${words(met)}.`;
  const less = met ? `It goes by ${words(met)}, met ${count(times)} times.` : "It goes by how common tokens are.";
  return `Never met ${counts}: ${words(back)}. ${less}`;
}

function fill(view, list, rows, most, look) {
  const { model } = view, names = model.get("names"), asks = model.get("live") || model.get("shipped");
  list.replaceChildren(...rows.map(([id, p]) => {
    const name = names[id] ?? [`id ${id}`, "special"], bar = h("i");
    bar.style.width = `${(100 * p) / most}%`;
    const row = h(asks && name[1] !== "bytes" ? "button" : "div", { class: "nw-row" },
      h("span", { class: "nw-token" }, ...signs(name)), h("span", { class: "nw-bar" }, bar), h("b", {}, percent(p)));
    if (row.tagName === "BUTTON") {
      row.type = "button";
      row.setAttribute("aria-description", "go on with it");
      row.addEventListener("click", () => goOn(view, look, name[0]));
    }
    return h("li", {}, row);
  }));
}

/** The text with one more token is asked for, as if the reader had typed it. */
function goOn(view, look, token) {
  view.box.value = (look.asked ?? look.source) + token;
  view.form.requestSubmit();
}

export default {
  render({ model, el }) {
    const view = build(model);
    const deaf = listenToTexts(view, "next_word", (text) => choose(view, { text }));
    const away = mount(el, view, { traits: TRAITS });
    return () => {
      deaf();
      away?.();
    };
  },
};
