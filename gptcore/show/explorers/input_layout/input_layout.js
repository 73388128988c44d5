// GPT-1's inputs: the task is written into the text, so that one network reads every task. For any
// texts the rows of tokens, what is cut and padded, what the head reads, what the loss asks for.

import {
  button, choose, count, h, idFor, listbox, mount, plural, say, unseen,
} from "../shared/kit.js";
import { aboutWords, inked, sentence, vocabularyOf, wellFormed } from "../shared/tokens.js";
import {
  cutsOf, example, judge, listed, MOST, nameOf, NOT_SCORED, pieceName, piecesOf, rowInWords, ruleOf,
  TASKS, tokenInWords, tokensOf,
} from "./layouts.js";

const STEPS = [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
const CUT_SHOWN = 8;  // tokens of what is cut that are shown at first, ten times as many on demand
const REPEATED = 6;  // tokens of the context that are shown again in each row of a choice
const COUNTS = { one: "1", two: "2", each: "1 per option" };

// ------------------------------------------------------------------ drawing

const few = () => matchMedia("(max-width: 600px)").matches;
const quiet = (...children) => h("p", { class: "gpt-quiet" }, ...children);

/** Buttons of which one is pressed: [value, text] each. */
function group(label, choices, does) {
  const buttons = choices.map(([value, text]) => {
    return button(text, () => does(value), { "data-value": value });
  });
  const made = h("div", { class: "il-group" }, ...buttons);
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
  const label = h("label", { class: "il-field" }, h("span", {}, name), control, ...more);
  return label;
}

function select(choices, does) {
  const made = h("select");
  made.append(...choices.map(([value, text]) => {
    return Object.assign(h("option", {}, text), { value });
  }));
  made.addEventListener("change", () => does(made.value));
  return made;
}

/** One row: a map of the whole context, the tokens in their order, and what is pointed at. */
class Row {
  constructor(view, index) {
    Object.assign(this, { view, index, chips: [], active: -1 });
    this.uid = idFor("il");
    this.title = h("p", { class: "il-title" });
    this.map = h("div", { class: "il-map" });
    this.map.setAttribute("aria-hidden", "true");
    this.scale = h("div", { class: "il-scale" }, h("span", {}, "0"), h("span"));
    this.scale.setAttribute("aria-hidden", "true");
    this.tokens = h("div", { class: "il-tokens" });
    this.tokens.tabIndex = 0;
    this.tokens.setAttribute("role", "listbox");
    this.mores = h("p", { class: "il-mores" }); // a list to choose from has no buttons in it
    this.info = h("p", { class: "il-info gpt-quiet" });
    this.el = h("section", { class: "il-row" }, this.title, this.map, this.scale, this.tokens, this.mores, this.info);
    this.listen();
  }

  listen() {
    const above = { ArrowUp: -1, ArrowDown: 1 };
    listbox(this.tokens, {
      point: (i) => this.point(i),
      active: () => this.active,
      size: () => this.chips.length,
      chip: (i) => this.chips[i]?.el,
      onKey: ({ key }) => {
        if (!(key in above)) return false;
        this.view.rows[this.index + above[key]]?.enter(this.active);
        return true;
      },
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
      h("strong", {}, `Row ${this.index}`), ` ${order} `,
      h("span", { class: "gpt-quiet" }, plural(row.ids.length, "token")));
    this.tokens.setAttribute("aria-label", `Row ${this.index}. ${rowInWords(task, row)}`);
    const bar = (kind, n) => {
      const made = h("i", { class: `il-${kind}` });
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
    this.mores.replaceChildren();
    let position = 0;
    row.segments.forEach((segment, s) => {
      const { kind, text, n, of } = segment;
      if (kind !== "text") found.push(this.mark(position, kind));
      else {
        const lane = now.lanes[text], shown = Math.min(n, this.limits[s]);
        found.push(h("span", { class: "il-name" }, nameOf(now.task, text)));
        for (let i = 0; i < shown; i++)
          found.push(this.token(position + i, hueOf(segment), text, lane, lane.all[i]));
        if (shown < n) {
          found.push(h("span", { class: "il-name" }, "…"));
          this.offer(text, plural(n - shown, "more token"), () => { this.limits[s] = n; });
        }
        if (n < of) found.push(this.cut(lane, text, n, of));
      }
      position += n;
    });
    if (position < now.width) found.push(this.padding(position));
    this.tokens.replaceChildren(...found);
    this.tokens.classList.toggle("il-wide", now.targets);
    this.point(-1);
  }

  /** A button under the row for what is not drawn yet. */
  offer(text, rest, show) {
    const made = button(`${nameOf(this.now.task, text)}: ${rest}`, () => { show(); this.draw(); });
    made.className = "il-more";
    this.mores.append(made);
  }

  chip(fact, hue, text) {
    const { now, row } = this, { position, id } = fact, target = row.targets[position];
    const box = h("span", { class: "il-box" }, text, h("span", { class: "il-id" }, String(id)));
    const where = fact.end > position ? `${position}–${fact.end}` : `${position}`;
    const made = h("span", { class: `il-token il-${hue}` }, h("span", { class: "il-at" }, where), box);
    if (now.targets) {
      const asked = target === NOT_SCORED ? "–" : `→${target}`;
      made.append(h("span", { class: "il-target" }, asked));
    }
    made.dataset.i = this.chips.length;
    made.id = `${this.uid}-${this.chips.length}`;
    made.setAttribute("role", "option");
    this.chips.push({ ...fact, el: made });
    return made;
  }

  token(position, hue, text, lane, piece) {
    const { start, end, id } = piece, ink = inked(lane.parts(start, end));
    if (lane.endsWord(piece) && !lane.unknown(piece)) ink.push(h("span", { class: "tk-end" }, "</w>"));
    const shown = h("span", { class: "il-text" }, ...ink);
    return this.chip({ kind: "text", position, id, text, lane, piece }, hue, shown);
  }

  mark(position, kind) {
    const [name, id] = this.now.marks[kind];
    return this.chip({ kind, position, id }, kind, h("span", { class: "il-text" }, name));
  }

  padding(position) {
    const end = this.now.width - 1, n = end - position + 1;
    const text = h("span", { class: "il-text" }, n > 1 ? `padding × ${count(n)}` : "padding");
    return this.chip({ kind: "pad", position, end, id: 0 }, "pad", text);
  }

  /** What truncation took away: struck through, its beginning at least. */
  cut(lane, text, n, of) {
    const some = lane.all.slice(n, n + this.more);
    const gone = some.flatMap((piece) => [
      h("s", {}, ...inked(lane.parts(piece.start, piece.end))),
      ...(lane.endsWord(piece) ? [" "] : [])]);
    const made = h("span", { class: "il-cut" }, h("span", {}, `${plural(of - n, "token")} cut `));
    made.append(h("span", { class: "il-gone" }, ...gone));
    const rest = of - n - some.length;
    if (rest) {
      made.append(" …");
      this.offer(text, `${plural(rest, "more token")} that were cut`, () => { this.more *= 10; });
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
  view.texts = h("div", { class: "il-texts" });
  view.boxes = [];
  view.swap = button("Swap the two texts", () => {
    choose(view, { texts: withTexts(view, [...textsOf(view)].reverse()) });
  });
  view.add = button("Add an option", () => {
    choose(view, { texts: withTexts(view, [...textsOf(view), "One more option."]) });
  });
  buildControls(view, set);
  buildAsk(view);
  view.problem = h("p", { class: "il-problem" });
  view.problem.setAttribute("role", "status");
  view.list = h("div", { class: "il-rows" });
  view.head = h("div", { class: "il-head" });
  view.facts = h("div", { class: "il-facts" });
  view.answer = h("div", { class: "il-answer" }, view.controls, view.about, view.problem, view.list,
    view.head, view.facts, view.cover);
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-inputs" }, view.task.el, view.texts,
    h("div", { class: "il-tools" }, view.swap, view.add), view.ask, view.answer, view.said);
  view.update = () => update(view);
  return view;
}

function buildControls(view, set) {
  view.slider = Object.assign(h("input"), { type: "range", min: 0, step: 1 });
  view.slider.addEventListener("input", () => set("n_ctx")(view.steps[view.slider.value]));
  view.size = h("b");
  const given = view.model.get("part");
  const rules = [["", "GPT-1’s code: each to half"], [MOST.n_ctx, "the longer one gives way"]];
  if (given !== null && given !== MOST.n_ctx) rules.push([given, `each to ${given} tokens`]);
  view.rule = select(rules, (value) => set("part")(value === "" ? null : Number(value)));
  view.cutting = field("cut", view.rule);
  view.pad = select([["", "the longest row"], ["full", "n_ctx, as GPT-1’s code does"]],
    (value) => set("full")(value === "full"));
  view.targets = Object.assign(h("input"), { type: "checkbox" });
  view.targets.addEventListener("change", () => set("targets")(view.targets.checked));
  const box = h("label", { class: "il-check" }, view.targets, "targets of the language-model loss");
  view.controls = h("div", { class: "il-controls" },
    h("div", { class: "il-field" }, h("span", {}, "vocabulary"), view.vocabulary.el),
    field("n_ctx", view.slider, view.size), view.cutting, field("pad to", view.pad), box);
}

/** The prediction: pieces to put in order, the number of rows, the answer. */
function buildAsk(view) {
  view.question = h("p");
  view.pieces = h("div", { class: "il-group il-pieces" });
  view.pieces.setAttribute("role", "group");
  view.pieces.setAttribute("aria-label", "Pieces of a row, in the order in which you press them");
  view.tray = [];
  view.shownTray = h("p", { class: "il-tray" });
  view.counts = group("Number of rows", Object.entries(COUNTS), (value) => {
    view.count = value;
    fillAsk(view);
  });
  const rows = h("div", { class: "il-field" }, h("span", {}, "such rows in an example"),
    view.counts.el);
  view.verdict = h("p", { class: "il-verdict" });
  view.verdict.setAttribute("role", "status");
  view.check = button("Check", () => answer(view), { class: "il-go" });
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
  view.form = h("div", { class: "il-form" }, view.question, view.pieces, view.shownTray, rows,
    h("div", { class: "il-group" }, view.check, view.reveal));
  view.ask = h("div", { class: "il-ask" }, view.form, view.verdict);
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
  tell(view, now, covered);
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
  const box = Object.assign(h("textarea"), {
    rows: task === "choice" ? 2 : 4, dir: "auto", spellcheck: false, autocapitalize: "off",
  });
  const size = h("span", { class: "gpt-quiet" }), name = nameOf(task, i);
  const head = h("span", { class: "il-boxhead" }, h("span", { class: i ? "il-b" : "il-a" }, name), size);
  const el = h("div", { class: "il-box-of" }, h("label", {}, head, box));
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
      + `behind the ${count(start[1])} that ${packed.name} has.`,
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
  view.question.replaceChildren(h("strong", {}, "Predict first."),
    ` ${QUESTIONS[task][0].toUpperCase()}${QUESTIONS[task].slice(1)}. It reads one row of tokens `
    + "after the other, from left to right. Press the pieces of a row in their order.");
  const wanted = piecesOf(task);
  if (view.piecesOf !== task) {
    view.piecesOf = task;
    view.pieces.replaceChildren(...wanted.map((piece) => {
      return button(pieceName(task, piece), () => {
        const has = view.tray.includes(piece);
        view.tray = has ? view.tray.filter((one) => one !== piece) : [...view.tray, piece];
        view.verdict.textContent = "";
        fillAsk(view);
      }, { "data-piece": piece });
    }));
  }
  for (const one of view.pieces.children)
    one.ariaPressed = String(view.tray.includes(one.dataset.piece));
  view.counts.press(view.count);
  const hues = { first: "a", second: "b" };
  view.shownTray.replaceChildren(...view.tray.map((piece) => (
    h("span", { class: `il-token il-${hues[piece] ?? piece}` },
      h("span", { class: "il-box" }, h("span", { class: "il-text" }, pieceName(task, piece)))))),
  h("span", { class: "il-slot" }, view.tray.length ? "…" : "your row"));
}

function fillRows(view, now) {
  while (view.rows.length > now.rows.length) view.rows.pop();
  while (view.rows.length < now.rows.length) view.rows.push(new Row(view, view.rows.length));
  view.rows.forEach((row, i) => row.fill(now, now.rows[i]));
  view.list.replaceChildren(...view.rows.map(({ el }) => el));
}

/** What happens to the states that are read, from left to right. */
function fillHead(view, { task, rows }) {
  const node = (name, ...text) => h("span", { class: `il-node ${name}` }, ...text);
  const arrow = () => h("span", { class: "il-arrow" });
  const lines = rows.map(({ at }, i) => {
    const state = node("il-state", h("small", {}, `row ${i},`),
      h("small", { class: "il-long" }, " position"), ` ${at}`);
    const score = [arrow(), node("", "linear"), arrow(), node("", `score ${i}`)];
    return h("div", { class: "il-line" }, state, ...(task === "choice" ? score : []));
  });
  const found = [h("div", { class: rows.length > 1 ? "il-lines il-several" : "il-lines" }, ...lines)];
  if (task === "similarity") found.push(node("il-sum", "+"));
  if (task === "choice") found.push(arrow(), node("", "softmax"), arrow(), node("", "options"));
  else {
    const out = task === "similarity" ? "classes, or a score" : "classes";
    found.push(arrow(), node("", "linear"), arrow(), node("", out));
  }
  const picture = h("div", { class: "il-flow" }, ...found);
  picture.setAttribute("aria-hidden", "true");
  view.head.replaceChildren(h("p", { class: "il-title" }, h("strong", {}, "The head")), picture,
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
  const fact = (name, ...text) => h("div", {}, h("b", {}, name), quiet(...text));
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

/** What is shown, as it is read aloud. */
function tell(view, now, covered) {
  const { title } = TASKS[now.task], { error } = now;
  const rows = error || covered ? [] : now.rows.map((row, i) => (
    `Row ${i}, ${plural(row.at + 1, "token")}: ${rowInWords(now.task, row)}`));
  const what = covered ? "The layout is covered." : rows.join(" ");
  say(view, error && !covered ? "" : `${title}, ${now.packed.name}. ${what}`);
}

export default {
  render({ model, el }) {
    const traits = ["task", "texts", "n_ctx", "part", "full", "targets", "vocabulary", "covered"];
    return mount(el, build(model), { traits });
  },
};
