// A model writes with the reader: what may follow a text, what each head reads for it, and the
// text itself, in which every token can be taken back for another.
//
// `view.ids` is the text; `view.at` says how much of it is read: what follows `at` is dimmed, and
// the list shows what else could have stood there. Who reads is not this script's business: Python
// where it is alive, the engine in a built page. Both give the logits of the next token.

import { button, choose, h, hit, idFor, later, mount, say, unseen, within } from "../shared/kit.js";
import { chances, drawnBy, numbers } from "../shared/drawing.js";
import { called, running, signs, spoken } from "../shared/texts.js";

const TRAITS = ["read", "alt"];
const LISTED = 8, WRITTEN = 60, PATIENCE = 400; // tokens in the list, at one go; ms after the last key
const PLAIN = { temperature: 0.8, topK: 0, topP: 1, seed: 1 };

// ---------------------------------------------------------------- numbers

/** The float32 numbers of a DataView, which may lie anywhere. */
export const floats = (view) => (view instanceof Float32Array ? view
  : new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)));

/** For each head, [layer][head], the place that its last token reads most, and its weight. */
export function mostRead(reads, n_layer, n_head) {
  const n = reads.length / (n_layer * n_head);
  return Array.from({ length: n_layer }, (_, layer) => Array.from({ length: n_head }, (_, head) => {
    const from = (layer * n_head + head) * n;
    let place = 0;
    for (let k = 1; k < n; k++) if (reads[from + k] > reads[from + place]) place = k;
    return { place, weight: reads[from + place] };
  }));
}

/** The head that reads one earlier token most: neither the first, nor the last itself. */
export function telling(heads, n) {
  let best = { layer: 0, head: 0, weight: -1 };
  heads.forEach((row, layer) => row.forEach(({ place, weight }, head) => {
    const clear = place > 0 && place < n - 1 ? weight : weight - 1;
    if (clear > best.weight) best = { layer, head, weight: clear };
  }));
  return { layer: best.layer, head: best.head };
}

/** What is listed: id, label, the model's probability and, with settings, the chance to be drawn. */
export function listed({ logits, likely }, how) {
  const p = chances(logits), drawn = chances(logits, how);
  return likely.slice(0, LISTED).map(([id, token]) => ({ id, token, p: p[id], chance: drawn[id] }));
}

export const percent = (p) => (p === 0 ? "0" : p < 0.001 ? "< 0.1 %"
  : p < 0.0995 ? `${(100 * p).toFixed(1)} %` : `${(100 * p).toFixed(0)} %`);

// ---------------------------------------------------------------- who reads

/** Ask for a reading of { text } or { ids }; with `heads: false` it may lack what the heads read. */
async function ask(view, given, heads = true) {
  const found = view.model.get("live") ? await pythonReads(view, given) : await engineReads(view, given, heads);
  return { ...found, logits: floats(found.logits), reads: found.reads && floats(found.reads) };
}

function pythonReads({ model }, given) {
  const n = model.get("read").n + 1 + Math.random();
  return new Promise((resolve, reject) => {
    const answered = () => {
      const read = model.get("read");
      if (read.n !== n) return;
      model.off("change:read", answered);
      if (read.error) reject(new Error(read.error));
      else resolve(read);
    };
    model.on("change:read", answered);
    model.set("asked", { n, ...given });
    model.save_changes();
  });
}

async function engineReads(view, given, heads) {
  const { model } = view, name = model.get("shipped");
  if (!name) throw new Error("This page cannot run the model; open the notebook to write with it.");
  if (!view.engine) tell(view, `Loading ${name}, ${model.get("megabytes")} MB, once for this page …`);
  const { load } = await self.gptModule("engine");
  view.engine = await load(name);
  if (heads) tell(view, "");
  const ids = given.ids ?? await view.engine.encode(given.text);
  if (!ids.length) throw new Error("Write at least one word.");
  const { logits, next, trace, labels } = await view.engine.run(ids, { trace: heads, top: LISTED });
  const likely = next.map(({ id, token }) => [id, token]);
  const tokens = labels ?? await view.engine.label(ids);
  return { ids, tokens, logits, likely, reads: trace ? lastRows(trace, model) : null };
}

/** What the last token reads, from the whole attention of each layer. */
function lastRows({ attentions, n }, model) {
  const n_head = model.get("n_head"), reads = new Float32Array(attentions.length * n_head * n);
  attentions.forEach((all, layer) => {
    for (let head = 0; head < n_head; head++) {
      const row = all.subarray((head * n + n - 1) * n, (head * n + n) * n);
      reads.set(row, (layer * n_head + head) * n);
    }
  });
  return reads;
}

// ---------------------------------------------------------------- what the reader does

function tell(view, text) {
  view.status = text;
  later(view);
}

/** Do something that reads; the last one asked for wins, and what goes wrong is told. */
async function act(view, work) {
  view.turn += 1;
  const turn = view.turn, mine = () => view.turn === turn;
  view.writing = false;
  try {
    await work(mine);
  } catch (error) {
    if (mine()) tell(view, error.message);
  }
  later(view);
}

/** Take over a reading; `rest` are ids behind what was read. */
function take(view, found, rest = null) {
  if (!rest) Object.assign(view, { ids: found.ids, tokens: found.tokens });
  Object.assign(view, { at: found.ids.length, found, status: "" });
  later(view);
}

const typed = (view) => act(view, async (mine) => {
  const text = view.box.value;
  if (!text) throw new Error("Write at least one word.");
  const found = await ask(view, { text });
  if (mine()) take(view, found);
});

/** Take a token behind what is read; what stood there before is gone. */
const add = (view, id) => act(view, async (mine) => {
  const found = await ask(view, { ids: [...view.ids.slice(0, view.at), id] });
  if (!mine()) return;
  take(view, found);
  fillBox(view);
});

/** Read only the first tokens, to see what else could follow. */
const go = (view, at) => act(view, async (mine) => {
  const found = await ask(view, { ids: view.ids.slice(0, at) });
  if (mine()) take(view, found, true);
});

/** Let the model write; every number that draws follows from the seed. */
const write = (view) => act(view, async (mine) => {
  const random = numbers(view.how.seed), most = view.model.get("n_ctx");
  let ids = view.ids.slice(0, view.at), found = view.found;
  view.writing = true;
  for (let i = 0; i < WRITTEN && ids.length < most && mine(); i++) {
    ids = [...ids, drawnBy(chances(found.logits, view.how), random())];
    found = await ask(view, { ids }, false);
    if (!mine()) return;
    take(view, found);
    if (found.tokens.at(-1)[1] === "special") break; // the end of the text
  }
  found = await ask(view, { ids });
  if (!mine()) return;
  view.writing = false;
  take(view, found);
  fillBox(view);
});

const stop = (view) => act(view, async (mine) => {
  const found = await ask(view, { ids: view.ids });
  if (!mine()) return;
  take(view, found);
  fillBox(view);
});

/** The box holds the text as far as it is one: special tokens are left to the chips. */
function fillBox(view) {
  view.box.value = view.tokens.map(([text, kind]) => (kind === "text" ? text : "")).join("");
}

// ---------------------------------------------------------------- the page

function build(model) {
  const first = model.get("read");
  const view = {
    model, turn: 0, status: "", head: null, how: { ...PLAIN }, writing: false,
    ids: first.ids, tokens: first.tokens, at: first.ids.length,
    found: { ...first, logits: floats(first.logits), reads: floats(first.reads) },
  };
  view.box = h("textarea", { rows: 2, "aria-label": "The beginning of a story", spellcheck: "false" });
  view.go = button("Let it write", () => (view.writing ? stop(view) : write(view)));
  view.note = h("p", { class: "gpt-quiet wr-note", role: "status" });
  view.text = h("p", { class: "wr-text", "aria-label": "The text, token by token: choose one to see what else could have stood there" });
  view.list = h("div", { class: "wr-list", role: "group", "aria-label": "Next tokens, likeliest first" });
  view.heads = h("div", { class: "wr-heads", role: "group", "aria-label": "Heads: what the last token reads" });
  view.nextTitle = h("p", { class: "wr-title" });
  view.headTitle = h("p", { class: "wr-title" });
  view.said = unseen();
  const top = h("div", { class: "wr-top" }, view.box, view.go);
  const left = h("div", {}, view.nextTitle, view.list), right = h("div", {}, view.headTitle, view.heads);
  view.root = h("div", { class: "gpt-explorer gpt-writer" }, top,
    ...(model.get("controls") ? [settings(view)] : []), view.note, view.text,
    h("div", { class: "wr-both" }, left, right), view.said);
  fillBox(view);
  view.update = () => update(view);
  return view;
}

/** The controls of drawing: each changes what the list shows. */
function settings(view) {
  const id = idFor("writer");
  const slider = (name, label, { min, max, step, show }) => {
    const input = h("input", { type: "range", min, max, step, id: `${id}-${name}` });
    const value = h("output", { for: input.id });
    input.value = view.how[name];
    const tellValue = () => {
      value.textContent = show(view.how[name]);
      input.setAttribute("aria-valuetext", value.textContent);
    };
    input.addEventListener("input", () => {
      view.how[name] = +input.value;
      tellValue();
      later(view);
    });
    tellValue();
    return h("label", { class: "wr-slider" }, h("span", {}, label), input, value);
  };
  const seed = h("input", { type: "text", inputmode: "numeric", value: view.how.seed, size: 6 });
  seed.addEventListener("change", () => {
    view.how.seed = Math.abs(Math.trunc(Number(seed.value) || 0)) % 2 ** 32;
    seed.value = view.how.seed;
  });
  return h("div", { class: "wr-controls" },
    slider("temperature", "temperature", { min: 0, max: 2, step: 0.1, show: (x) => x.toFixed(1) }),
    slider("topK", "top-k", { min: 0, max: 50, step: 1, show: (x) => (x ? `${x}` : "off") }),
    slider("topP", "top-p", { min: 0.05, max: 1, step: 0.05, show: (x) => (x < 1 ? x.toFixed(2) : "off") }),
    h("label", { class: "wr-slider" }, h("span", {}, "seed"), seed));
}

function update(view) {
  const { found, model, at, tokens, ids } = view;
  view.note.textContent = view.status;
  view.go.textContent = view.writing ? "Stop" : "Let it write";
  if (found.reads) view.most = mostRead(found.reads, model.get("n_layer"), model.get("n_head"));
  view.head ??= telling(view.most, at);
  const before = at < ids.length;
  view.nextTitle.textContent = before ? `What could stand in place of “${called(tokens[at])}”` : "What may come next";
  fillList(view, before ? ids[at] : null);
  fillHeads(view);
  fillText(view);
}

function fillList(view, stood) {
  const rows = listed(view.found, view.model.get("controls") ? view.how : {});
  const most = Math.max(...rows.map(({ chance }) => chance), 1e-9);
  const made = rows.map(({ id, token, p, chance }) => {
    const bar = h("i"), told = percent(chance);
    bar.style.width = `${(100 * chance) / most}%`;
    const plain = told === percent(p) ? "" : `by the model ${percent(p)}`;
    return h("button", {
      type: "button", "data-id": id, "aria-description": plain,
      ...(id === stood ? { "aria-pressed": "true" } : {}),
      ...(chance === 0 ? { class: "wr-cut" } : {}),
    }, h("span", { class: "wr-token" }, ...signs(token)), h("span", { class: "wr-bar" }, bar), h("b", {}, told));
  });
  const focus = [...view.list.children].indexOf(document.activeElement);
  view.list.replaceChildren(...made);
  if (focus >= 0) made[within(focus, made.length)]?.focus();
  const [best] = rows;
  if (best && !view.writing) say(view, `Likeliest: ${spoken(best.token)}, ${percent(best.chance)}`);
}

function fillHeads(view) {
  const { model, tokens, most, head } = view, n_head = model.get("n_head");
  const known = view.found.reads !== null;
  view.headTitle.textContent = "What each head of the last token reads most";
  view.heads.style.setProperty("--wr-heads", n_head);
  if (view.cells?.length !== most.length * n_head) {
    view.cells = most.flatMap((row, layer) => row.map((_, i) => h("button", { type: "button", class: "gpt-on", "data-layer": layer, "data-head": i })));
    view.heads.replaceChildren(...view.cells);
  }
  view.heads.classList.toggle("wr-old", !known);
  most.forEach((row, layer) => row.forEach(({ place, weight }, i) => {
    const cell = view.cells[layer * n_head + i], token = tokens[place] ?? ["", "text"];
    cell.style.setProperty("--wr-weight", weight.toFixed(3));
    cell.setAttribute("aria-pressed", head.layer === layer && head.head === i);
    const heard = (text) => h("span", { class: "gpt-unseen" }, text);
    cell.replaceChildren(heard(`layer ${layer}, head ${i} reads `), h("span", {}, ...signs(token)), heard(` with ${percent(weight)}`));
  }));
}

function fillText(view) {
  const { tokens, at, found, model, head } = view;
  const from = (head.layer * model.get("n_head") + head.head) * at;
  const chips = tokens.map((token, i) => {
    const chip = h("button", { type: "button", "data-i": i, class: i >= at ? "gpt-on wr-later" : "gpt-on", tabindex: i === at - 1 ? 0 : -1 },
      ...running(token));
    const weight = found.reads && i < at ? found.reads[from + i] : 0;
    chip.style.setProperty("--wr-weight", Math.sqrt(weight).toFixed(3));
    chip.setAttribute("aria-description", `token ${i}${weight ? `, read with ${percent(weight)}` : ""}`);
    return chip;
  });
  const focused = hitChip(view);
  view.text.replaceChildren(...chips);
  if (focused !== null) chips[within(focused, chips.length)].focus();
}

const hitChip = ({ text }) => {
  const found = document.activeElement;
  return found && text.contains(found) && found.dataset.i ? +found.dataset.i : null;
};

function listen(view) {
  const { box, list, heads, text } = view;
  let waiting;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => typed(view), PATIENCE);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    clearTimeout(waiting);
    typed(view);
  });
  list.addEventListener("click", (event) => {
    const row = hit(event, "[data-id]");
    if (row) add(view, +row.dataset.id);
  });
  heads.addEventListener("click", (event) => {
    const cell = hit(event, "[data-layer]");
    if (!cell) return;
    view.head = { layer: +cell.dataset.layer, head: +cell.dataset.head };
    later(view);
  });
  text.addEventListener("click", (event) => {
    const chip = hit(event, "[data-i]");
    if (chip && +chip.dataset.i > 0) go(view, +chip.dataset.i);
    else if (chip) tell(view, "Nothing is read before the first token.");
  });
  text.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e6, End: 1e6 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = within((hitChip(view) ?? 0) + step, view.tokens.length);
    text.children[at].focus();
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    const end = mount(el, view, { traits: TRAITS });
    return () => {
      view.turn += 1;
      end();
    };
  },
};
