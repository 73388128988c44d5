// GPT-1's inputs: the task is written into the text, so that one network reads every task. For any
// texts the rows of tokens, what is cut and padded, what the head reads, what the loss asks for.
//
// First what lays out and what judges, pure and tested against gptcore.text.inputs; then what draws.
// Rows, options and positions count from 0.

import {
  aboutWords, count, describe, element, inked, laneOf, sentence, vocabularyOf, wellFormed,
} from "./tokens.js";

/** Each task: its title, what a reader calls its texts, what gptcore calls them. */
export const TASKS = {
  classification: { title: "Classification", names: ["text"], fields: ["text"] },
  entailment: {
    title: "Entailment", names: ["premise", "hypothesis"], fields: ["premise", "hypothesis"],
  },
  similarity: { title: "Similarity", names: ["text A", "text B"], fields: ["text", "text_b"] },
  choice: { title: "Multiple choice", names: ["context", "option"], fields: ["text", "choices"] },
};
export const MOST = { n_ctx: 1024, options: 8 };  // as in input_layout.py
export const NOT_SCORED = -100;
const STEPS = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
const CUT_SHOWN = 8;  // tokens of what is cut that are shown at first, ten times as many on demand
const REPEATED = 6;  // tokens of the context that are shown again in each row of a choice

// ------------------------------------------------------------------ layouts

/** What a reader calls text i of a task. */
export function nameOf(task, i) {
  const { names } = TASKS[task];
  return task === "choice" && i ? `option ${i - 1}` : names[i];
}

/** The same in a sentence: "the premise", "text A", "option 0". */
const theOf = (task, i) => `${task === "similarity" || (task === "choice" && i) ? "" : "the "}${
  nameOf(task, i)}`;

const fieldOf = (task, i) => {
  const { fields } = TASKS[task];
  return task === "choice" && i ? `choices[${i - 1}]` : fields[i];
};

/** How many of a text's tokens stay: `_part` of gptcore.text.inputs. */
function kept(name, length, longest) {
  if (longest < 1)
    throw new RangeError(`n_ctx leaves room for ${longest} tokens of ${name}; it needs at least 1`);
  if (!length) throw new RangeError(`${name} is empty: it has no tokens`);
  return Math.min(length, longest);
}

/** How many tokens of two texts stay in a row: `_pair` of gptcore.text.inputs. */
function keptOfPair(names, lengths, nCtx, part) {
  const longest = part ?? Math.floor(nCtx / 2) - 2, room = nCtx - 3;
  if (longest < 1 || room < 2) {
    const sizes = `part=${longest}, n_ctx=${nCtx}`;
    throw new RangeError(`${sizes}: there must be room for a token of each text`);
  }
  const [a, b] = names.map((name, i) => kept(name, lengths[i], longest));
  if (a + b <= room) return [a, b];
  const half = Math.floor(room / 2);  // the longer one gives way, and both if both are long
  return [Math.min(a, Math.max(room - b, room - half)), Math.min(b, Math.max(room - a, half))];
}

/**
 * The rows of a task as segments { kind, n }, those of texts also with `text`, which of them it
 * is, and `of`, its length before the cut. Lengths are in tokens; throws where gptcore raises.
 */
export function layout(task, lengths, nCtx, part = null) {
  const mark = (kind) => ({ kind, n: 1 });
  const segment = (text, n) => ({ kind: "text", text, n, of: lengths[text] });
  if (task === "classification") {
    const n = kept(fieldOf(task, 0), lengths[0], nCtx - 2);
    return [[mark("start"), segment(0, n), mark("extract")]];
  }
  const pair = (first, second) => {
    const both = [first, second], names = both.map((i) => fieldOf(task, i));
    const [n, m] = keptOfPair(names, both.map((i) => lengths[i]), nCtx, part);
    return [
      mark("start"), segment(first, n), mark("delimiter"), segment(second, m), mark("extract"),
    ];
  };
  if (task === "entailment") return [pair(0, 1)];
  if (task === "similarity") return [pair(0, 1), pair(1, 0)];
  const options = lengths.length - 1;
  if (options < 2)
    throw new RangeError(`choices has ${options}; to choose, there must be at least 2`);
  return Array.from({ length: options }, (_, i) => pair(0, i + 1));
}

/** The ids of a row: `texts` holds those of each text, `marks` the three new tokens. */
export const idsOf = (row, texts, marks) => row.flatMap(({ kind, text, n }) => (
  kind === "text" ? texts[text].slice(0, n) : [marks[kind][1]]));

/** What the language-model loss asks for at each of `width` positions: the next token's id. */
export const targetsOf = (ids, width) =>
  Array.from({ length: width }, (_, i) => ids[i + 1] ?? NOT_SCORED);

/**
 * An example ready to be read: `collate` of gptcore.text.inputs. `lanes` holds the tokens of each text,
 * as `laneOf` gives them, with their `all` pieces.
 */
export function example({ task, lanes, marks, nCtx, part, full }) {
  const segments = layout(task, lanes.map(({ all }) => all.length), nCtx, part);
  const ids = lanes.map(({ all }) => all.map(({ id }) => id));
  const rows = segments.map((row) => ({ segments: row, ids: idsOf(row, ids, marks) }));
  const width = full ? nCtx : Math.max(...rows.map((row) => row.ids.length));
  return {
    width,
    rows: rows.map((row) => ({
      ...row, at: row.ids.length - 1, targets: targetsOf(row.ids, width),
      padded: [...row.ids, ...Array(width - row.ids.length).fill(0)],
    })),
  };
}

/** A text in a vocabulary, with all its tokens. */
export function tokensOf(vocabulary, text, rules) {
  const lane = laneOf(vocabulary, wellFormed(text), rules);
  return { ...lane, all: lane.pieces(lane.steps.length) };
}

// ------------------------------------------------------------------ what the reader predicts

const WANTED = { classification: "one", entailment: "one", similarity: "two", choice: "each" };
const COUNTS = { one: "1", two: "2", each: "1 per option" };

/** The pieces that a reader may lay out, in an order that gives nothing away. */
export function piecesOf(task) {
  const second = TASKS[task].names.length > 1;
  return ["delimiter", ...(second ? ["second"] : []), "extract", "first", "start"];
}

const pieceName = (task, piece) =>
  TASKS[task].names[["first", "second"].indexOf(piece)] ?? `${piece} token`;

/** What a prediction gets as an answer: `pieces` of a row in their order, and how many rows. */
export function judge(task, pieces, rows) {
  const said = faultIn(task, pieces) ?? faultInCount(task, rows);
  return said === null ? { right: true, text: RIGHT[task] } : { right: false, text: said };
}

const RIGHT = {
  classification: "Yes. One row, and the head reads its last position.",
  entailment: "Yes. One row; the delimiter says where the premise ends, and the head reads the last "
    + "position.",
  similarity: "Yes. Two rows, one for each order. The vectors that the head reads in them are added.",
  choice: "Yes. A row for each option, all with the same context. Each row gets one score, and a "
    + "softmax compares the scores.",
};

function faultIn(task, pieces) {
  const [first, second] = TASKS[task].names, at = (piece) => pieces.indexOf(piece);
  if (!pieces.length) return "Choose the pieces in their order first.";
  for (const [name, piece] of [[first, "first"], [second, "second"]]) {
    if (name && at(piece) < 0)
      return `Not yet: the ${name} is missing, and the network reads nothing but its row.`;
  }
  if (at("extract") < 0)
    return "Not yet: nothing says where the head reads. It reads at the extract token.";
  if (at("extract") < pieces.length - 1) {
    const unseen = pieceName(task, pieces[at("extract") + 1]);
    return "Not yet: a position sees itself and what stands before it. There the extract token "
      + `would not see the ${unseen}.`;
  }
  if (at("start") < 0)
    return "Not yet: without a start token nothing stands before the first token of the text.";
  if (at("start") > 0) return "Not yet: the start token opens the row.";
  if (!second && at("delimiter") >= 0)
    return "Not yet: one text has no border, so it needs no delimiter.";
  if (second && at("delimiter") < 0)
    return `Not yet: nothing says where the ${first} ends and the ${second} begins.`;
  if (second && at("delimiter") !== 2) return "Not yet: the delimiter stands between the two texts.";
  if (task !== "similarity" && second && at("first") > at("second"))
    return `Nearly: a network could learn that order, too, but GPT-1 puts the ${first} first.`;
  return null;
}

function faultInCount(task, rows) {
  const wanted = WANTED[task];
  if (!rows) return "The row is right. How many such rows does one example need?";
  if (rows === wanted) return null;
  if (task === "similarity") {
    return rows === "each" ? "The row is right, but there are no options here."
      : "The row is right, but it has a first text and a second, and similarity knows no such order.";
  }
  if (task === "choice") {
    return rows === "two" ? "The row is right, but there may be more than two options."
      : "The row is right, but it holds one option, and the head has to compare them all.";
  }
  return rows === "each" ? "The row is right, but there are no options here."
    : "The row is right, and it holds everything: one is enough.";
}

// ------------------------------------------------------------------ words

const plural = (n, name) => `${count.format(n)} ${name}${n === 1 ? "" : "s"}`;

/** A list in words: "a", "a and b", "a, b and c". */
export const listed = (names) => (
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

/** How long a text may be, by the rule that is chosen. */
export function ruleOf(task, nCtx, part) {
  if (task === "classification")
    return `The text keeps at most n_ctx − 2 = ${nCtx - 2} tokens.`;
  const half = Math.floor(nCtx / 2) - 2, room = nCtx - 3;
  if (part === null) return `Each text keeps at most n_ctx // 2 − 2 = ${half} tokens.`;
  const own = part < room ? `Each text keeps at most ${plural(part, "token")}. ` : "";
  return `${own}Two texts keep n_ctx − 3 = ${room} tokens together; the longer one gives way.`;
}

/** What was cut away, text by text, over all rows: what a text loses in its worst row. */
export function cutsOf(task, rows) {
  const lost = new Map();
  for (const { segments } of rows) {
    for (const { kind, text, n, of } of segments) {
      if (kind === "text" && of > n) lost.set(text, [Math.max(lost.get(text)?.[0] ?? 0, of - n), of]);
    }
  }
  return [...lost].sort(([a], [b]) => a - b).map(([text, [gone, of]]) => (
    `${count.format(gone)} of ${plural(of, "token")} of ${theOf(task, text)}`));
}

/** A row in words. */
export function rowInWords(task, { segments, at }) {
  const parts = segments.map(({ kind, text, n }) => (
    kind === "text" ? `${plural(n, "token")} of ${theOf(task, text)}` : kind));
  return `Start, ${listed(parts.slice(1))}. The head reads position ${at}.`;
}

// ------------------------------------------------------------------ drawing

const few = () => matchMedia("(max-width: 600px)").matches;
const quiet = (...children) => element("p", "gpt-quiet", ...children);

function button(text, does, name = "") {
  const made = Object.assign(element("button", name, text), { type: "button" });
  made.addEventListener("click", does);
  return made;
}

/** Buttons of which one is pressed: [value, text] each. */
function group(label, choices, does) {
  const buttons = choices.map(([value, text]) => {
    const made = button(text, () => does(value));
    made.dataset.value = value;
    return made;
  });
  const made = element("div", "il-group", ...buttons);
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", label);
  return {
    el: made,
    press: (value) => buttons.forEach((one) => {
      one.ariaPressed = String(one.dataset.value === String(value));
    }),
  };
}

function field(name, control, ...more) {
  const label = element("label", "il-field", element("span", "", name), control, ...more);
  return label;
}

function select(choices, does) {
  const made = element("select");
  made.append(...choices.map(([value, text]) => {
    return Object.assign(element("option", "", text), { value });
  }));
  made.addEventListener("change", () => does(made.value));
  return made;
}

let rowsEver = 0;  // for ids that are unique on the page

/** One row: a map of the whole context, the tokens in their order, and what is pointed at. */
class Row {
  constructor(view, index) {
    Object.assign(this, { view, index, chips: [], active: -1 });
    this.uid = `gpt-il-${(rowsEver += 1)}`;
    this.title = element("p", "il-title");
    this.map = element("div", "il-map");
    this.map.setAttribute("aria-hidden", "true");
    this.scale = element("div", "il-scale", element("span", "", "0"), element("span"));
    this.scale.setAttribute("aria-hidden", "true");
    this.tokens = element("div", "il-tokens");
    this.tokens.tabIndex = 0;
    this.tokens.setAttribute("role", "listbox");
    this.info = element("p", "il-info gpt-quiet");
    this.el = element("section", "il-row", this.title, this.map, this.scale, this.tokens, this.info);
    this.listen();
  }

  listen() {
    const at = (event) => event.target.closest("[data-i]")?.dataset.i;
    const { tokens } = this;
    tokens.addEventListener("pointerover", (event) => {
      if (event.pointerType !== "touch") this.point(at(event) ?? -1);
    });
    tokens.addEventListener("click", (event) => at(event) && this.point(at(event)));
    tokens.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.point(-1);
    });
    tokens.addEventListener("focus", () => {
      if (this.active < 0 && tokens.matches(":focus-visible")) this.point(0);
    });
    tokens.addEventListener("blur", () => this.point(-1));
    tokens.addEventListener("keydown", (event) => {
      const last = this.chips.length - 1;
      const to = { Home: 0, End: last, Escape: -1, ArrowLeft: Math.max(0, this.active - 1) };
      const next = { ...to, ArrowRight: Math.min(last, this.active + 1) }[event.key];
      const other = this.index + ({ ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0);
      if (event.target !== tokens || (next === undefined && other === this.index)) return;
      event.preventDefault();
      if (next === undefined) return this.view.rows[other]?.enter(this.active);
      this.point(next);
      this.chips[next]?.el.scrollIntoView({ block: "nearest" });
    });
  }

  /** The keys come from another row, to the same place. */
  enter(i) {
    this.tokens.focus();
    this.point(Math.min(Math.max(0, i), this.chips.length - 1));
  }

  fill(now, row) {
    const { task, nCtx } = now, texts = row.segments.filter(({ kind }) => kind === "text");
    Object.assign(this, { now, row });
    this.limits = row.segments.map(({ text }) => (
      task === "choice" && this.index && text === 0 ? REPEATED : few() ? 60 : 120));
    this.more = CUT_SHOWN;
    const name = listed(texts.map(({ text }) => nameOf(task, text)).slice(-2));
    const order = task === "similarity" ? name.replace(" and ", ", then ") : name;
    this.title.replaceChildren(
      element("strong", "", `Row ${this.index}`), ` ${order} `,
      element("span", "gpt-quiet", plural(row.ids.length, "token")));
    this.tokens.setAttribute("aria-label", `Row ${this.index}. ${rowInWords(task, row)}`);
    const bar = (kind, n) => {
      const made = element("i", `il-${kind}`);
      made.style.flexGrow = n;
      return made;
    };
    const spare = now.width - row.ids.length;
    this.map.replaceChildren(
      ...row.segments.map((segment) => bar(hueOf(segment), segment.n)),
      ...(spare ? [bar("pad", spare)] : []),
      ...(nCtx > now.width ? [bar("free", nCtx - now.width)] : []));
    this.scale.lastChild.textContent = nCtx;
    this.draw();
  }

  /** Everything in the row that is drawn: texts in part, if they are long. */
  draw() {
    const { now, row } = this, found = [];
    this.chips = [];
    let position = 0;
    row.segments.forEach((segment, s) => {
      const { kind, text, n, of } = segment;
      if (kind !== "text") found.push(this.mark(position, kind));
      else {
        const lane = now.lanes[text], shown = Math.min(n, this.limits[s]);
        found.push(element("span", "il-name", nameOf(now.task, text)));
        for (let i = 0; i < shown; i++)
          found.push(this.token(position + i, hueOf(segment), text, lane, lane.all[i]));
        if (shown < n) {
          const rest = `… and ${plural(n - shown, "more token")}`;
          found.push(button(rest, () => { this.limits[s] = n; this.draw(); }, "il-more"));
        }
        if (n < of) found.push(this.cut(lane, n, of));
      }
      position += n;
    });
    if (position < now.width) found.push(this.padding(position));
    this.tokens.replaceChildren(...found);
    this.tokens.classList.toggle("il-wide", now.targets);
    this.point(-1);
  }

  chip(fact, hue, text) {
    const { now, row } = this, { position, id } = fact, target = row.targets[position];
    const box = element("span", "il-box", text, element("span", "il-id", String(id)));
    const where = fact.end > position ? `${position}–${fact.end}` : `${position}`;
    const made = element("span", `il-token il-${hue}`, element("span", "il-at", where), box);
    if (now.targets) {
      const asked = target === NOT_SCORED ? "–" : `→${target}`;
      made.append(element("span", "il-target", asked));
    }
    made.dataset.i = this.chips.length;
    made.id = `${this.uid}-${this.chips.length}`;
    made.setAttribute("role", "option");
    this.chips.push({ ...fact, el: made });
    return made;
  }

  token(position, hue, text, lane, piece) {
    const { start, end, id } = piece, ink = inked(lane.parts(start, end));
    if (lane.endsWord(piece) && !lane.unknown(piece)) ink.push(element("span", "tk-end", "</w>"));
    const shown = element("span", "il-text", ...ink);
    return this.chip({ kind: "text", position, id, text, lane, piece }, hue, shown);
  }

  mark(position, kind) {
    const [name, id] = this.now.marks[kind];
    return this.chip({ kind, position, id }, kind, element("span", "il-text", name));
  }

  padding(position) {
    const end = this.now.width - 1, n = end - position + 1;
    const text = element("span", "il-text", n > 1 ? `padding × ${count.format(n)}` : "padding");
    return this.chip({ kind: "pad", position, end, id: 0 }, "pad", text);
  }

  /** What truncation took away: struck through, its beginning at least. */
  cut(lane, n, of) {
    const some = lane.all.slice(n, n + this.more);
    const gone = some.flatMap((piece) => [
      element("s", "", ...inked(lane.parts(piece.start, piece.end))),
      ...(lane.endsWord(piece) ? [" "] : [])]);
    const made = element("span", "il-cut", element("span", "", `${plural(of - n, "token")} cut `));
    made.append(element("span", "il-gone", ...gone));
    const rest = of - n - some.length;
    if (rest) {
      const all = () => { this.more *= 10; this.draw(); };
      made.append(" ", button(`… and ${count.format(rest)} more`, all, "il-more"));
    }
    return made;
  }

  /** Make a token the active one, or none (-1), and say what it is and what it sees. */
  point(i) {
    this.chips[this.active]?.el.classList.remove("il-active");
    this.active = Number(i) < this.chips.length ? Number(i) : -1;
    const fact = this.chips[this.active];
    fact?.el.classList.add("il-active");
    this.chips.forEach(({ el }, k) => {
      el.classList.toggle("il-unseen", Boolean(fact) && k > this.active);
    });
    this.tokens.setAttribute("aria-activedescendant", fact ? fact.el.id : "");
    const { task } = this.now;
    this.info.replaceChildren(...(fact ? sentence(tokenInWords(task, this.row, fact, this.now))
      : [rowInWords(task, this.row)]));
  }
}

const hueOf = ({ kind, text }) => (kind !== "text" ? kind : text ? "b" : "a");

/** A token of a row in words; what stands in an array is text of the reader's. */
export function tokenInWords(task, { ids, at, segments }, fact, { lanes, marks }) {
  const { kind, position } = fact;
  if (kind === "pad") {
    const many = fact.end > position;
    return [`Position${many ? "s" : ""} ${position}${many ? ` to ${fact.end}` : ""}: padding, id 0. `
      + "No token before it can see it, the head does not read it, the loss does not score it."];
  }
  const who = kind === "text"
    ? [`${nameOf(task, fact.text)}, `, ...describe(fact.lane, fact.piece)]
    : [`${marks[kind][0]}, id ${fact.id}, a new token`];
  if (position === at) {
    const seen = `It sees all ${plural(at + 1, "token")}, and the head reads its state.`;
    return [`Position ${position}: `, ...who, `. ${seen} The loss asks it for nothing.`];
  }
  const sees = position ? `It sees positions 0 to ${position}.` : "It sees itself alone.";
  const next = `The loss asks it for id ${ids[position + 1]}, `;
  let left = position + 1;  // of the positions up to the target, in segments before it
  const segment = segments.find(({ n }) => (left < n ? true : ((left -= n), false)));
  const target = segment.kind === "text" ? textOf(lanes[segment.text], left) : [marks[segment.kind][0]];
  return [`Position ${position}: `, ...who, `. ${sees} ${next}`, ...target, "."];
}

/** What a token says, as the reader's own text or, for a part of a character, in words. */
function textOf(lane, i) {
  const piece = lane.all[i], parts = lane.parts(piece.start, piece.end);
  if (parts.some(({ byte }) => byte)) return ["a part of a character"];
  return [[parts.map(({ text }) => text).join("")]];
}

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, rows: [], open: new Set(), tray: [], count: null, vocabularies: [] };
  view.lanes = new Map();
  const set = (name) => (value) => choose(view, { [name]: value });
  view.task = group("Task", Object.entries(TASKS).map(([name, { title }]) => [name, title]),
    set("task"));
  view.task.el.classList.add("il-tasks");
  const packed = model.get("vocabularies");
  view.vocabulary = group("Vocabulary", packed.map(({ name }, i) => [i, name]), set("vocabulary"));
  view.about = quiet();
  view.texts = element("div", "il-texts");
  view.boxes = [];
  view.swap = button("Swap the two texts", () => {
    choose(view, { texts: withTexts(view, [...textsOf(view)].reverse()) });
  });
  view.add = button("Add an option", () => {
    choose(view, { texts: withTexts(view, [...textsOf(view), "One more option."]) });
  });
  buildControls(view, set);
  buildAsk(view);
  view.problem = element("p", "il-problem");
  view.problem.setAttribute("role", "status");
  view.list = element("div", "il-rows");
  view.head = element("div", "il-head");
  view.facts = element("div", "il-facts");
  view.answer = element("div", "il-answer", view.controls, view.about, view.problem, view.list,
    view.head, view.facts, view.cover);
  view.said = element("p", "gpt-unseen");
  view.said.setAttribute("aria-live", "polite");
  view.root = element("div", "gpt-explorer gpt-inputs", view.task.el, view.texts,
    element("div", "il-tools", view.swap, view.add), view.ask, view.answer, view.said);
  return view;
}

function buildControls(view, set) {
  view.slider = Object.assign(element("input"), { type: "range", min: 0, step: 1 });
  view.slider.addEventListener("input", () => set("n_ctx")(view.steps[view.slider.value]));
  view.size = element("b");
  const given = view.model.get("part");
  const rules = [["", "GPT-1’s code: each to half"], [MOST.n_ctx, "the longer one gives way"]];
  if (given !== null && given !== MOST.n_ctx) rules.push([given, `each to ${given} tokens`]);
  view.rule = select(rules, (value) => set("part")(value === "" ? null : Number(value)));
  view.cutting = field("cut", view.rule);
  view.pad = select([["", "the longest row"], ["full", "n_ctx, as GPT-1’s code does"]],
    (value) => set("full")(value === "full"));
  view.targets = Object.assign(element("input"), { type: "checkbox" });
  view.targets.addEventListener("change", () => set("targets")(view.targets.checked));
  const box = element("label", "il-check", view.targets, "targets of the language-model loss");
  view.controls = element("div", "il-controls",
    element("div", "il-field", element("span", "", "vocabulary"), view.vocabulary.el),
    field("n_ctx", view.slider, view.size), view.cutting, field("pad to", view.pad), box);
}

/** The prediction: pieces to put in order, the number of rows, the answer. */
function buildAsk(view) {
  view.question = element("p");
  view.pieces = element("div", "il-group il-pieces");
  view.pieces.setAttribute("role", "group");
  view.pieces.setAttribute("aria-label", "Pieces of a row, in the order in which you press them");
  view.tray = [];
  view.shownTray = element("p", "il-tray");
  view.counts = group("Number of rows", Object.entries(COUNTS), (value) => {
    view.count = value;
    fillAsk(view);
  });
  const rows = element("div", "il-field", element("span", "", "such rows in an example"),
    view.counts.el);
  view.verdict = element("p", "il-verdict");
  view.verdict.setAttribute("role", "status");
  view.check = button("Check", () => answer(view), "il-go");
  view.reveal = button("Just show me", () => {
    choose(view, { covered: false });
    show(view);
  });
  view.cover = button("Cover the layouts and predict them", () => {
    Object.assign(view, { tray: [], count: null });
    view.open.clear();
    view.verdict.textContent = "";
    choose(view, { covered: true });
    update(view);
    view.pieces.firstChild.focus();
  });
  view.form = element("div", "il-form", view.question, view.pieces, view.shownTray, rows,
    element("div", "il-group", view.check, view.reveal));
  view.ask = element("div", "il-ask", view.form, view.verdict);
}

function answer(view) {
  const { task } = stateOf(view), { right, text } = judge(task, view.tray, view.count);
  view.verdict.textContent = text;
  view.verdict.classList.toggle("il-right", right);
  if (!right) return;
  view.open.add(task);
  show(view);
}

/** Uncover, and go on where the rows begin: the button that was pressed is gone. */
function show(view) {
  update(view);
  view.rows[0]?.tokens.focus({ preventScroll: true });
}

// ------------------------------------------------------------------ what is chosen

const textsOf = ({ model }) => model.get("texts")[model.get("task")];
const withTexts = ({ model }, texts) => ({ ...model.get("texts"), [model.get("task")]: texts });

function stateOf({ model }) {
  const get = (name) => model.get(name);
  return {
    task: get("task"), nCtx: get("n_ctx"), part: get("part"), full: get("full"),
    targets: get("targets"), vocabulary: get("vocabulary"),
  };
}

/** Everything that follows from what is chosen: the tokens of the texts, and their rows. */
function worked(view) {
  const state = stateOf(view), rules = view.model.get("rules");
  const packed = view.model.get("vocabularies")[state.vocabulary];
  const vocabulary = (view.vocabularies[state.vocabulary] ??= vocabularyOf(packed));
  const lanes = textsOf(view).map((text) => {
    const key = `${state.vocabulary} ${text}`;
    return [key, view.lanes.get(key) ?? tokensOf(vocabulary, text, rules)];
  });
  view.lanes = new Map(lanes);  // only what is shown is remembered
  const now = { ...state, marks: packed.marks, packed, lanes: lanes.map(([, lane]) => lane) };
  try {
    return { ...now, ...example(now) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { ...now, error: error.message };
  }
}

const covers = ({ model, open }, task) => model.get("covered") && !open.has(task);

function choose(view, changes) {
  for (const [name, value] of Object.entries(changes)) view.model.set(name, value);
  view.model.save_changes();
}

// ------------------------------------------------------------------ filling

function update(view) {
  const now = worked(view), { task } = now;
  if (view.drawnTask !== task) {
    Object.assign(view, { drawnTask: task, tray: [], count: null });
    view.verdict.textContent = "";
  }
  view.task.press(task);
  fillTexts(view, now);
  fillControls(view, now);
  fillAsk(view);
  const covered = covers(view, task);
  view.answer.hidden = covered;
  view.problem.textContent = now.error ? `gptcore.text.inputs refuses this: ${now.error}.` : "";
  for (const part of [view.list, view.head, view.facts]) part.hidden = Boolean(now.error);
  if (!covered && !now.error) {
    fillRows(view, now);
    fillHead(view, now);
    fillFacts(view, now);
  }
  say(view, now, covered);
}

function fillTexts(view, { task, lanes }) {
  const texts = textsOf(view);
  if (view.boxes.length !== texts.length || view.boxesOf !== task) {
    view.boxesOf = task;
    view.boxes = texts.map((_, i) => textBox(view, task, i));
    view.texts.replaceChildren(...view.boxes.map(({ el }) => el));
    view.texts.classList.toggle("il-choice", task === "choice");
  }
  view.boxes.forEach(({ box, size, drop }, i) => {
    if (wellFormed(box.value) !== texts[i]) box.value = texts[i];
    size.textContent = plural(lanes[i].all.length, "token");
    if (drop) drop.hidden = texts.length <= 3;
  });
  view.swap.hidden = task !== "similarity";
  view.add.hidden = task !== "choice" || texts.length > MOST.options;
}

/** The box of one text: its name, its size, and for an option what takes it away. */
function textBox(view, task, i) {
  const box = Object.assign(element("textarea"), {
    rows: task === "choice" ? 2 : 4, dir: "auto", spellcheck: false, autocapitalize: "off",
  });
  const size = element("span", "gpt-quiet"), name = nameOf(task, i);
  const head = element("span", "il-boxhead", element("span", i ? "il-b" : "il-a", name), size);
  const el = element("div", "il-box-of", element("label", "", head, box));
  box.setAttribute("aria-label", name);
  let waiting;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    const take = () => {
      if (view.boxes[i]?.box !== box) return;  // its option has gone
      const texts = [...textsOf(view)];
      texts[i] = wellFormed(box.value);
      choose(view, { texts: withTexts(view, texts) });
    };
    waiting = setTimeout(take, box.value.length > 2000 ? 250 : 30);
  });
  if (task !== "choice" || !i) return { el, box, size };
  const drop = button("Remove", () => {
    choose(view, { texts: withTexts(view, textsOf(view).filter((_, k) => k !== i)) });
    view.add.focus();
  });
  drop.setAttribute("aria-label", `Remove ${name}`);
  el.append(drop);
  return { el, box, size, drop };
}

function fillControls(view, { task, nCtx, part, full, targets, vocabulary, packed }) {
  view.vocabulary.press(vocabulary);
  view.steps = [...new Set([...STEPS, nCtx])].sort((a, b) => a - b);
  view.slider.max = view.steps.length - 1;
  view.slider.value = view.steps.indexOf(nCtx);
  view.slider.setAttribute("aria-valuetext", `${nCtx} tokens`);
  view.size.textContent = nCtx;
  view.rule.value = part ?? "";
  view.cutting.hidden = task === "classification";
  view.pad.value = full ? "full" : "";
  view.targets.checked = targets;
  const { start, extract } = packed.marks, missing = view.model.get("missing");
  view.about.textContent = [
    `The three new tokens have the ids ${start[1]} to ${extract[1]}, `
      + `behind the ${count.format(start[1])} that ${packed.name} has.`,
    aboutWords(packed) ?? "",
    missing.length ? `The files of ${listed(missing)} are not here.` : "",
  ].join(" ").trim();
}

const QUESTIONS = {
  classification: "a network is to put one text into a class",
  entailment: "a network is to say whether a hypothesis follows from a premise",
  similarity: "a network is to say how alike two texts are",
  choice: "a network is to choose the option that fits a context",
};

function fillAsk(view) {
  const { task } = stateOf(view), covered = covers(view, task);
  view.form.hidden = !covered;
  view.ask.classList.toggle("il-asking", covered);
  if (!covered) return;
  view.question.replaceChildren(element("strong", "", "Predict first."),
    ` ${QUESTIONS[task][0].toUpperCase()}${QUESTIONS[task].slice(1)}. It reads one row of tokens `
    + "after the other, from left to right. Press the pieces of a row in their order.");
  const wanted = piecesOf(task);
  if (view.piecesOf !== task) {
    view.piecesOf = task;
    view.pieces.replaceChildren(...wanted.map((piece) => {
      const made = button(pieceName(task, piece), () => {
        const has = view.tray.includes(piece);
        view.tray = has ? view.tray.filter((one) => one !== piece) : [...view.tray, piece];
        view.verdict.textContent = "";
        fillAsk(view);
      });
      made.dataset.piece = piece;
      return made;
    }));
  }
  for (const one of view.pieces.children)
    one.ariaPressed = String(view.tray.includes(one.dataset.piece));
  view.counts.press(view.count);
  const hues = { first: "a", second: "b" };
  view.shownTray.replaceChildren(...view.tray.map((piece) => (
    element("span", `il-token il-${hues[piece] ?? piece}`,
      element("span", "il-box", element("span", "il-text", pieceName(task, piece)))))),
  element("span", "il-slot", view.tray.length ? "…" : "your row"));
}

function fillRows(view, now) {
  while (view.rows.length > now.rows.length) view.rows.pop();
  while (view.rows.length < now.rows.length) view.rows.push(new Row(view, view.rows.length));
  view.rows.forEach((row, i) => row.fill(now, now.rows[i]));
  view.list.replaceChildren(...view.rows.map(({ el }) => el));
}

/** What happens to the states that are read, from left to right. */
function fillHead(view, { task, rows }) {
  const node = (name, ...text) => element("span", `il-node ${name}`, ...text);
  const arrow = () => element("span", "il-arrow");
  const lines = rows.map(({ at }, i) => {
    const state = node("il-state", element("small", "", `row ${i},`),
      element("small", "il-long", " position"), ` ${at}`);
    const score = [arrow(), node("", "linear"), arrow(), node("", `score ${i}`)];
    return element("div", "il-line", state, ...(task === "choice" ? score : []));
  });
  const found = [element("div", rows.length > 1 ? "il-lines il-several" : "il-lines", ...lines)];
  if (task === "similarity") found.push(node("il-sum", "+"));
  if (task === "choice") found.push(arrow(), node("", "softmax"), arrow(), node("", "options"));
  else {
    const out = task === "similarity" ? "classes, or a score" : "classes";
    found.push(arrow(), node("", "linear"), arrow(), node("", out));
  }
  const picture = element("div", "il-flow", ...found);
  picture.setAttribute("aria-hidden", "true");
  view.head.replaceChildren(element("p", "il-title", element("strong", "", "The head")), picture,
    quiet(HEADS[task]));
}

const HEADS = {
  classification: "The head is one linear layer: from the state at the extract token to a number per "
    + "class.",
  entailment: "The head is one linear layer: from the state at the extract token to a number per "
    + "class.",
  similarity: "The states at the two extract tokens are added, then one linear layer makes of the "
    + "sum a number per class, or one score. Swap the texts: the rows change places, the sum stays.",
  choice: "The same linear layer makes of each row’s state one score. A softmax over the scores "
    + "compares the options. However many options there are, the head has one output.",
};

function fillFacts(view, { task, rows, width, nCtx, part, full }) {
  const fact = (name, ...text) => element("div", "", element("b", "", name), quiet(...text));
  const cuts = cutsOf(task, rows), pads = rows.map(({ ids }) => width - ids.length);
  const spare = pads.reduce((sum, n) => sum + n, 0);
  const scored = rows.reduce((sum, { at }) => sum + at, 0);
  const to = full ? `all ${nCtx} positions` : `the longest, ${plural(width, "token")}`;
  view.facts.replaceChildren(
    fact("Truncation", `${ruleOf(task, nCtx, part)} `,
      cuts.length ? `Cut away: ${listed(cuts)}.` : "Nothing is cut."),
    fact("Padding", rows.length > 1 || full ? `Rows are filled up on the right to ${to}: ` : "Rows of "
      + "a batch are filled up on the right to the longest. This one stands alone: ",
    spare ? `${plural(spare, "token")} of padding, id 0.` : "no padding."),
    fact("Language-model loss", `It scores ${plural(scored, "position")}${rows.length > 1
      ? ` in ${rows.length} rows` : ""}: each that has a next token, those before the delimiter `
      + "and the extract token too. The extract token itself and padding have no target."));
}

/** Tell a screen reader what is shown, once the reader has come to rest. */
function say(view, now, covered) {
  const { title } = TASKS[now.task], { error } = now;
  const rows = error || covered ? [] : now.rows.map((row, i) => (
    `Row ${i}, ${plural(row.at + 1, "token")}: ${rowInWords(now.task, row)}`));
  const what = covered ? "The layout is covered." : rows.join(" ");
  const text = error && !covered ? "" : `${title}, ${now.packed.name}. ${what}`;
  clearTimeout(view.saying);
  if (text !== view.said.textContent)
    view.saying = setTimeout(() => { view.said.textContent = text; }, 400);
}

export default {
  render({ model, el }) {
    const view = build(model);
    el.append(view.root);
    let frame;
    const later = () => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        update(view);
      });
    };
    const names = ["task", "texts", "n_ctx", "part", "full", "targets", "vocabulary", "covered"];
    for (const name of names) model.on(`change:${name}`, later);
    update(view);
    return () => cancelAnimationFrame(frame);
  },
};
