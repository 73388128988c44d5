// The tokenizer playground: any text, cut by several vocabularies, one merge at a time.

import {
  aboutWords, byteOffsets, count, describe, element, inked, laneOf, readable, sentence,
  vocabularyOf, wellFormed,
} from "./tokens.js";

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
  if (!k) return [`No merge yet; ${count.format(n)} to come.`];
  if (!marked) return [`All ${count.format(n)} merges are done; go back to see them one by one.`];
  const { rank, places } = steps[k - 1], at = places[0];
  const { seam, end } = lane.pieces(k).find(({ start }) => start === at);
  const part = (from, to) => {
    const marks = inked(lane.parts(from, to));
    if (lane.endsWord({ end: to })) marks.push(element("span", "tk-end", "</w>"));
    return element("span", "tk-own", ...marks);
  };
  return [
    `Merge ${count.format(k)} of ${count.format(n)}: `, part(at, seam), " + ", part(seam, end),
    " → ", part(at, end),
    `, rank ${count.format(rank)} in a list of ${count.format(vocabulary.n)}`,
    places.length > 1 ? `, ${count.format(places.length)} places` : "",
  ];
}

let lanesEver = 0;  // for ids that are unique on the page

/** One vocabulary's row: its cost, its tokens, its slider. `pointed` hears of the active token. */
class Lane {
  constructor(packed, pointed) {
    this.packed = packed;
    this.pointed = pointed;
    this.chips = [];
    this.active = -1;
    this.uid = `gpt-pg-${(lanesEver += 1)}`;
    this.fill = element("span", "pg-fill");
    this.cost = element("span", "pg-cost");
    this.rates = [element("span", "gpt-quiet"), element("span", "gpt-quiet")];
    const head = element("div", "pg-head", element("strong", "", packed.name),
      element("span", "gpt-quiet pg-size", `${count.format(packed.size)} ids`),
      element("span", "pg-bar", this.fill), this.cost, ...this.rates);
    this.tokens = element("div", "pg-tokens");
    this.tokens.tabIndex = 0;
    this.tokens.setAttribute("role", "listbox");
    this.tokens.setAttribute("aria-label", `Tokens of ${packed.name}`);
    this.slider = Object.assign(element("input"), { type: "range", min: 0, step: 1 });
    this.slider.setAttribute("aria-label", `Merges of ${packed.name} that are done`);
    this.info = element("p", "pg-info");
    const step = (sign, name, by) => {
      const button = element("button", "", sign);
      button.setAttribute("aria-label", name);
      button.addEventListener("click", () => this.show(this.k + by, true));
      return button;
    };
    this.before = step("‹", `${packed.name}: one merge back`, -1);
    this.after = step("›", `${packed.name}: one merge on`, 1);
    this.control = element("div", "pg-control", this.before, this.slider, this.after);
    const body = element("div", "pg-body", this.tokens,
      element("div", "pg-steps", this.control, this.info));
    const about = aboutWords(packed);
    if (about) body.append(element("p", "gpt-quiet", about));
    this.el = element("section", "pg-lane", head, body);
    this.listen();
  }

  listen() {
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value), true));
    const point = ({ target }) => {
      const chip = target.closest("[data-i]");
      if (chip) this.point(Number(chip.dataset.i));
    };
    this.tokens.addEventListener("pointerover", point);
    this.tokens.addEventListener("click", point);
    this.tokens.addEventListener("pointerleave", () => this.point(-1));
    this.tokens.addEventListener("focus", () => this.active < 0 && this.point(0));
    this.tokens.addEventListener("blur", () => this.point(-1));
    this.tokens.addEventListener("keydown", (event) => {
      const forth = this.tokens.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
      const last = this.chips.length - 1;
      const to = { Home: 0, End: last, Escape: -1, [forth]: Math.min(last, this.active + 1) };
      const back = forth === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
      const next = { ...to, [back]: Math.max(0, this.active - 1) }[event.key];
      if (next === undefined || event.target !== this.tokens) return;
      event.preventDefault();
      this.point(next);
      this.chips[next]?.scrollIntoView({ block: "nearest" });
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
    this.cost.textContent = `${count.format(n)} ${n === 1 ? "token" : "tokens"}`;
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
        group = [element("span", "pg-group", element("span", "pg-whole", ...whole), ...group)];
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
      const more = element("button", "pg-more", `… and ${count.format(rest)} more`);
      more.addEventListener("click", () => { this.limit += drawn(); this.draw(); });
      found.push(more);
    }
    if (!this.shown.length) found.push(element("span", "gpt-quiet", "nothing"));
    this.tokens.replaceChildren(...found);
  }

  chip(piece, i) {
    const { lane } = this, { start, end } = piece, seam = this.marked ? piece.seam : 0;
    const text = element("span", "pg-text", ...inked(lane.parts(start, seam || end)));
    if (seam) text.append(element("i", "pg-seam"), ...inked(lane.parts(seam, end)));
    const ends = lane.endsWord(piece) && !lane.unknown(piece);
    if (ends) text.append(element("span", "tk-end", "</w>"));
    const made = element("span", "pg-token", text, element("span", "pg-id", String(piece.id)));
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
    const [text, summary] = [element("textarea"), element("p", "gpt-quiet")];
    Object.assign(text, { rows: 3, dir: "auto", spellcheck: false, autocapitalize: "off" });
    text.setAttribute("aria-label", "Your text");
    summary.setAttribute("role", "status");
    const lanes = model.get("vocabularies").map((packed) => new Lane(packed, (lane, piece) => {
      for (const other of lanes ?? []) if (other !== lane) other.echo(piece);
    }));
    const examples = Object.entries(model.get("examples")).map(([name, example]) => {
      const button = element("button", "", name);
      button.addEventListener("click", () => take(example));
      return [button, example];
    });
    const update = () => {
      const now = wellFormed(model.get("text")), rules = model.get("rules");
      if (text.value !== model.get("text")) text.value = now;
      for (const lane of lanes) lane.take(now, rules);
      const { characters, bytes } = lanes[0].size;
      const counts = lanes.map((lane) => `${lane.packed.name} ${lane.cost.textContent}`).join(", ");
      summary.replaceChildren(
        `${count.format(characters)} characters, ${count.format(bytes)} bytes`,
        element("span", "gpt-unseen", `: ${counts}`));
      for (const [button, example] of examples) button.ariaPressed = String(example === now);
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
    model.on("change:text", update);
    const missing = model.get("missing").join(" and ");
    el.append(element("div", "gpt-explorer gpt-playground",
      element("div", "pg-examples", ...examples.map(([button]) => button)),
      text, summary, ...lanes.map((lane) => lane.el),
      element("p", "gpt-quiet", "A bar is full at one token per byte. Ranks count from 0. "
        + "· is a space, ↵ a new line. "
        + "Parts of a character are shown as bytes, in a frame with the character."
        + (missing && ` The files of ${missing} are not here.`))));
    update();
  },
};
