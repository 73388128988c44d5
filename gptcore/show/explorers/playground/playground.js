// The tokenizer playground: any text, cut by several vocabularies, one merge at a time.

import { button, count, h, idFor, listbox, mount, plural, unseen } from "../shared/kit.js";
import {
  aboutWords, byteOffsets, describe, inked, laneOf, readable, sentence, vocabularyOf, wellFormed,
} from "../shared/tokens.js";

/** Tokens of a lane that are drawn at first, and as many more each time on demand. */
const drawn = () => (matchMedia("(max-width: 600px)").matches ? 90 : 180);

/** Whether the first letter of a text that has a direction runs from right to left. */
export function rightToLeft(text) {
  const first = /\p{L}/u.exec(text)?.[0] ?? "";
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]|[\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u
    .test(first);
}

/** What the merge of step k is called: its pair, what it makes, its rank, its places. */
function mergeCaption(lane, k, marked) {
  const { steps, vocabulary } = lane, n = steps.length;
  if (!vocabulary.n) {
    return [vocabulary.kind === "characters" ? "Ids are Unicode's code points."
      : "Ids are the values of the bytes, 0 to 255. Nothing is merged."];
  }
  if (!n) return ["No merge of this vocabulary fits the text."];
  if (!k) return [`No merge yet; ${count(n)} to come.`];
  if (!marked) return [`All ${count(n)} merges are done; go back to see them one by one.`];
  const { rank, places } = steps[k - 1], at = places[0];
  const { seam, end } = lane.pieces(k).find(({ start }) => start === at);
  const part = (from, to) => {
    const marks = inked(lane.parts(from, to));
    if (lane.endsWord({ end: to })) marks.push(h("span", { class: "tk-end" }, "</w>"));
    return h("span", { class: "tk-own" }, ...marks);
  };
  return [
    `Merge ${count(k)} of ${count(n)}: `, part(at, seam), " + ", part(seam, end),
    " → ", part(at, end),
    `, rank ${count(rank)} in a list of ${count(vocabulary.n)}`,
    places.length > 1 ? `, ${count(places.length)} places` : "",
  ];
}

/** One vocabulary's row: its cost, its tokens, its slider. `pointed` hears of the active token. */
class Lane {
  constructor(packed, pointed) {
    this.packed = packed;
    this.pointed = pointed;
    this.chips = [];
    this.active = -1;
    this.uid = idFor("pg");
    this.fill = h("span", { class: "pg-fill" });
    this.cost = h("span", { class: "pg-cost" });
    this.rates = [h("span", { class: "gpt-quiet" }), h("span", { class: "gpt-quiet" })];
    const head = h("div", { class: "pg-head" }, h("strong", {}, packed.name),
      h("span", { class: "gpt-quiet pg-size" }, `${count(packed.size)} ids`),
      h("span", { class: "pg-bar" }, this.fill), this.cost, ...this.rates);
    this.tokens = h("div", { class: "pg-tokens" });
    this.tokens.tabIndex = 0;
    this.tokens.setAttribute("role", "listbox");
    this.tokens.setAttribute("aria-label", `Tokens of ${packed.name}`);
    this.slider = Object.assign(h("input"), { type: "range", min: 0, step: 1 });
    this.slider.setAttribute("aria-label", `Merges of ${packed.name} that are done`);
    this.info = h("p", { class: "pg-info" });
    const step = (sign, name, by) => (
      button(sign, () => this.show(this.k + by, true), { "aria-label": name }));
    this.before = step("‹", `${packed.name}: one merge back`, -1);
    this.after = step("›", `${packed.name}: one merge on`, 1);
    this.control = h("div", { class: "pg-control" }, this.before, this.slider, this.after);
    const body = h("div", { class: "pg-body" }, this.tokens,
      h("div", { class: "pg-steps" }, this.control, this.info));
    const about = aboutWords(packed);
    if (about) body.append(h("p", { class: "gpt-quiet" }, about));
    this.el = h("section", { class: "pg-lane" }, head, body);
    this.listen();
  }

  listen() {
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value), true));
    listbox(this.tokens, {
      point: (i) => this.point(i),
      active: () => this.active,
      size: () => this.chips.length,
      chip: (i) => this.chips[i],
    });
  }

  /** Take a new text, with all merges done. */
  take(text, rules) {
    this.vocabulary ??= vocabularyOf(this.packed);
    this.lane = laneOf(this.vocabulary, text, rules);
    this.size = { characters: [...text].length, bytes: byteOffsets(text)[text.length] };
    this.limit = drawn();
    this.control.hidden = !this.lane.steps.length;
    this.slider.max = this.lane.steps.length;
    this.tokens.dir = rightToLeft(text) ? "rtl" : "ltr";
    this.show(this.lane.steps.length);
  }

  /** Draw the pieces after the first k merges, the last of them marked if asked for. */
  show(k, marked = false) {
    this.marked = marked;
    this.k = Math.max(0, Math.min(k, this.lane.steps.length));
    this.slider.value = this.k;
    this.before.disabled = this.k === 0;
    this.after.disabled = this.k === this.lane.steps.length;
    this.shown = this.lane.pieces(this.k);
    const n = this.shown.length, { characters, bytes } = this.size;
    const rate = (total) => (total ? (n / total).toFixed(2) : "–");
    this.cost.textContent = plural(n, "token");
    this.rates[0].textContent = `${rate(characters)} per character`;
    this.rates[1].textContent = `${rate(bytes)} per byte`;
    this.fill.style.width = `${bytes ? Math.min(100, (100 * n) / bytes) : 0}%`;
    this.draw();
    this.point(-1);
    this.slider.setAttribute("aria-valuetext", this.info.textContent);
  }

  draw() {
    this.chips = [];
    const { lane } = this, found = [];
    const close = (cut, group) => {
      if (cut.length) {
        const whole = inked(readable(lane.bytes.subarray(cut[0], cut.at(-1))));
        group = [h("span", { class: "pg-group" }, h("span", { class: "pg-whole" }, ...whole), ...group)];
      }
      found.push(...group);
      return [];
    };
    let cut = [], group = [];  // bytes of the characters that tokens part, and those tokens
    for (const piece of this.shown.slice(0, this.limit)) {
      const chip = this.chip(piece, this.chips.length);
      this.chips.push(chip);
      group.push(chip);
      if (lane.cut(piece.to)) cut.push(...lane.span(piece.to, piece.to));
      else [cut, group] = [[], close(cut, group)];
    }
    close(cut, group);
    const rest = this.shown.length - this.chips.length;
    if (rest > 0) {
      const more = button(`… and ${count(rest)} more`, () => {
        this.limit += drawn();
        this.draw();
      }, { class: "pg-more" });
      found.push(more);
    }
    if (!this.shown.length) found.push(h("span", { class: "gpt-quiet" }, "nothing"));
    this.tokens.replaceChildren(...found);
  }

  chip(piece, i) {
    const { lane } = this, { start, end } = piece, seam = this.marked ? piece.seam : 0;
    const text = h("span", { class: "pg-text" }, ...inked(lane.parts(start, seam || end)));
    if (seam) text.append(h("i", { class: "pg-seam" }), ...inked(lane.parts(seam, end)));
    const ends = lane.endsWord(piece) && !lane.unknown(piece);
    if (ends) text.append(h("span", { class: "tk-end" }, "</w>"));
    const made = h("span", { class: "pg-token" }, text, h("span", { class: "pg-id" }, String(piece.id)));
    made.dataset.i = i;
    made.id = `${this.uid}-${i}`;
    made.setAttribute("role", "option");
    made.classList.toggle("pg-odd", i % 2 === 1);
    made.classList.toggle("pg-new", seam > 0);
    made.classList.toggle("pg-unknown", lane.unknown(piece));
    return made;
  }

  /** Make a token the active one, or none (-1), and say what it is. */
  point(i) {
    this.chips[this.active]?.classList.remove("pg-active");
    this.active = i < this.chips.length ? i : -1;
    const piece = this.shown[this.active];
    this.chips[this.active]?.classList.add("pg-active");
    this.tokens.setAttribute("aria-activedescendant", piece ? `${this.uid}-${this.active}` : "");
    this.info.replaceChildren(...(piece ? sentence(describe(this.lane, piece))
      : mergeCaption(this.lane, this.k, this.marked)));
    this.pointed(this, piece);
  }

  /** Mark the tokens that share a byte with another lane's. */
  echo({ from = 0, to = 0 } = {}) {
    this.chips.forEach((chip, i) => {
      chip.classList.toggle("pg-same", this.shown[i].from < to && this.shown[i].to > from);
    });
  }
}

export default {
  render({ model, el }) {
    const [text, summary] = [h("textarea"), h("p", { class: "gpt-quiet" })];
    Object.assign(text, { rows: 3, dir: "auto", spellcheck: false, autocapitalize: "off" });
    text.setAttribute("aria-label", "Your text");
    summary.setAttribute("role", "status");
    const lanes = model.get("vocabularies").map((packed) => new Lane(packed, (lane, piece) => {
      for (const other of lanes ?? []) if (other !== lane) other.echo(piece);
    }));
    const examples = Object.entries(model.get("examples")).map(([name, example]) => {
      return [button(name, () => take(example)), example];
    });
    const update = () => {
      const now = wellFormed(model.get("text")), rules = model.get("rules");
      if (text.value !== model.get("text")) text.value = now;
      for (const lane of lanes) lane.take(now, rules);
      const { characters, bytes } = lanes[0].size;
      const counts = lanes.map((lane) => `${lane.packed.name} ${lane.cost.textContent}`).join(", ");
      summary.replaceChildren(
        `${count(characters)} characters, ${count(bytes)} bytes`,
        h("span", { class: "gpt-unseen" }, `: ${counts}`));
      for (const [made, example] of examples) made.ariaPressed = String(example === now);
    };
    let waiting;
    const take = (value, patience = 0) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        model.set("text", wellFormed(value));
        model.save_changes();
      }, patience);
    };
    text.addEventListener("input", () => take(text.value, text.value.length > 2000 ? 250 : 30));
    const missing = model.get("missing").join(" and ");
    const root = h("div", { class: "gpt-explorer gpt-playground" },
      h("div", { class: "pg-examples" }, ...examples.map(([made]) => made)),
      text, summary, ...lanes.map((lane) => lane.el),
      h("p", { class: "gpt-quiet" }, "A bar is full at one token per byte. Ranks count from 0. "
        + "· is a space, ↵ a new line. "
        + "Parts of a character are shown as bytes, in a frame with the character."
        + (missing && ` The files of ${missing} are not here.`)));
    const end = mount(el, { model, root, update }, { traits: ["text"] });
    return () => {
      clearTimeout(waiting);
      end();
    };
  },
};
