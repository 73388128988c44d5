// The tokenizer playground: any text, cut by several vocabularies, one merge at a time.
//
// First what decides the ids, pure and tested against gptcore; then what draws them. No table of
// the browser's is asked what a letter, a space or a lower case is: Python sends its own.

// ------------------------------------------------------------------ text to words

/** Half a surrogate pair is no text: it becomes "�", as in gptcore. */
export function wellFormed(text) {
  return text.replace(/[\ud800-\udfff]/gu, "\ufffd");
}

/** Inside of a character class, from [gap, length, gap, length, ...] over the code points. */
export function ranges(deltas) {
  const name = (point) => `\\u{${point.toString(16)}}`;
  let point = 0, found = "";
  for (let i = 0; i < deltas.length; i += 2) {
    const first = point + deltas[i];
    point = first + deltas[i + 1];
    found += deltas[i + 1] > 1 ? `${name(first)}-${name(point - 1)}` : name(first);
  }
  return found;
}

/** A pattern of gptcore's, with its classes written out: \p{L}, \p{M}, \p{N}, \s and \S. */
export function compile(pattern, classes) {
  const inside = (name) => ranges(classes[name]);
  const source = pattern
    .replace(/\[[^\]]*\]/g, (all) =>
      all.replace(/\\p\{(\w)\}|\\(s)/g, (_, a, b) => inside(a ?? b)))
    .replace(/\\p\{(\w)\}|\\(s)/g, (_, a, b) => `[${inside(a ?? b)}]`)
    .replace(/\\S/g, () => `[^${inside("s")}]`);
  return new RegExp(source, "gu");
}

const READY = new WeakMap();  // rules -> what is compiled from them, once

function ready(rules) {
  if (!READY.has(rules)) {
    const set = (name) => rules.classes[name] && `[${ranges(rules.classes[name])}]`;
    const [space, cased, passed] = ["space", "cased", "ignorable"].map(set);
    READY.set(rules, {
      byte: compile(rules.patterns.byte, rules.classes),
      ...(space && {
        word: compile(rules.patterns.word, rules.classes),
        spaces: new RegExp(`${space}+`, "gu"),
        edges: new RegExp(`^${space}+|${space}+$`, "gu"),
        sigma: new RegExp(`(?<=${cased}${passed}*)Σ(?!${passed}*${cased})`, "gu"),
        lower: new Map([...rules.upper].map((char, i) => [char, rules.lower[i]])),
      }),
    });
  }
  return READY.get(rules);
}

/** Python's str.lower(). */
export function lowerCase(text, rules) {
  const { lower, sigma } = ready(rules);
  return [...text.replace(sigma, "ς")].map((char) => lower.get(char) ?? char).join("");
}

/** GPT-1's words as gptcore cuts them without ftfy and spaCy: `plain_words`. */
export function plainWords(text, rules) {
  const { word, spaces, edges } = ready(rules);
  for (const [old, now] of rules.forms) text = text.replaceAll(old, now);
  text = text.replace(spaces, (run) => (run.includes("\n") ? " \n " : run)).replace(edges, "");
  return lowerCase(text, rules).match(word) ?? [];
}

/** Byte offset of every UTF-16 index of a text, and of its end. */
export function byteOffsets(text) {
  const offsets = new Int32Array(text.length + 1);
  for (let i = 0, at = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Half of a pair counts two bytes: a whole pair is four.
    at += code < 0x80 ? 1 : code < 0x800 || (code & 0xf800) === 0xd800 ? 2 : 3;
    offsets[i + 1] = at;
  }
  return offsets;
}

// ------------------------------------------------------------------ words to base symbols

/** A vocabulary as Python packed it, laid out for encoding. */
export function vocabularyOf(packed) {
  if (packed.kind === "characters") return { ...packed, n: 0, nBase: 0, idOf: (symbol) => symbol };
  const { base, merges, width } = packed, n = merges.byteLength / width / 2;
  const read = (i) => (width === 2 ? merges.getUint16(2 * i, true) : merges.getUint32(4 * i, true));
  const left = Int32Array.from({ length: n }, (_, rank) => read(2 * rank));
  const right = Int32Array.from({ length: n }, (_, rank) => read(2 * rank + 1));
  const ids = new Int32Array(base.length + n);
  packed.ids.forEach(([symbol, id], i) => {
    const end = packed.ids[i + 1]?.[0] ?? ids.length;
    for (let s = symbol; s < end; s++) ids[s] = id + s - symbol;
  });
  const symbolOf = new Map(base.map((token, symbol) => [token, symbol]));
  const find = pairTable(left, right);
  return { ...packed, n, nBase: base.length, left, right, find, symbolOf, idOf: (s) => ids[s] };
}

/** (left, right) -> rank of that merge, or -1: a hash table in one typed array. */
export function pairTable(left, right) {
  const mask = (1 << (33 - Math.clz32(left.length))) - 1;
  const slots = new Int32Array(mask + 1).fill(-1);
  const slot = (l, r) => {
    let i = ((Math.imul(l, 0x9e3779b1) ^ Math.imul(r, 0x85ebca6b)) >>> 9) & mask;
    while (slots[i] >= 0 && (left[slots[i]] !== l || right[slots[i]] !== r)) i = (i + 1) & mask;
    return i;
  };
  left.forEach((l, rank) => { slots[slot(l, right[rank])] = rank; });
  return (l, r) => slots[slot(l, r)];
}

/**
 * A text as base symbols. `heads[i]` says that a word begins at unit i; a unit is a byte, a
 * character, or for kind "word" a character of GPT-1's words (`chars`).
 */
export function spell(vocabulary, text, rules) {
  const bytes = new TextEncoder().encode(text);
  if (vocabulary.kind === "word") {
    const chars = [], heads = [], symbols = [];
    const unknown = vocabulary.symbolOf.get("<unk>");
    for (const word of plainWords(text, rules)) {
      const letters = [...word];
      letters.forEach((char, i) => {
        const token = i === letters.length - 1 ? `${char}</w>` : char;
        symbols.push(vocabulary.symbolOf.get(token) ?? unknown);
        chars.push(char);
        heads.push(i === 0);
      });
    }
    return { symbols: Int32Array.from(symbols), heads, chars };
  }
  if (vocabulary.kind === "characters") {
    const symbols = Int32Array.from(text, (char) => char.codePointAt(0));
    return { symbols, heads: new Uint8Array(symbols.length), bytes };
  }
  const heads = new Uint8Array(bytes.length), offsets = byteOffsets(text);
  for (const { index } of text.matchAll(ready(rules).byte)) heads[offsets[index]] = 1;
  const symbols = Int32Array.from(bytes, (byte) => vocabulary.symbolOf.get(byte));
  return { symbols, heads, bytes };
}

// ------------------------------------------------------------------ merging

/**
 * Every merge that the text needs, earliest learned first: [{ rank, places }], places being the
 * units at which the merged pairs begin. A pair that a merge makes was learned later than the
 * merge, so one pass over the ranks finds them all.
 */
export function mergeSteps({ symbols, heads }, { left, right, find, n, nBase }) {
  const now = symbols.slice(), length = new Int32Array(now.length).fill(1);
  const back = Int32Array.from(now, (_, i) => i - 1);
  const waiting = new Array(n), steps = [];
  const offer = (at) => {
    const after = at + length[at];
    if (at < 0 || after >= now.length || heads[after]) return;
    const rank = find(now[at], now[after]);
    if (rank >= 0) (waiting[rank] ??= []).push(at);
  };
  if (n) now.forEach((_, at) => offer(at));
  for (let rank = 0; rank < n; rank++) {
    if (!waiting[rank]) continue;
    const places = [];
    for (const at of waiting[rank].sort((a, b) => a - b)) {
      const after = at + length[at];
      if (now[at] !== left[rank] || now[after] !== right[rank]) continue;
      now[at] = nBase + rank;
      now[after] = -1;
      length[at] += length[after];
      if (at + length[at] < now.length) back[at + length[at]] = at;
      places.push(at);
      offer(at);
      if (!heads[at]) offer(back[at]);
    }
    waiting[rank] = undefined;
    if (places.length) steps.push({ rank, places });
  }
  return steps;
}

/**
 * The pieces after the first k steps: where each starts, how many units it has, its symbol, and
 * for those that step k made, where the seam between the two halves is (else 0).
 */
export function piecesAt({ symbols }, steps, k, nBase) {
  const now = symbols.slice(), length = new Int32Array(now.length).fill(1);
  const seam = new Int32Array(now.length);
  steps.slice(0, k).forEach(({ rank, places }, i) => {
    for (const at of places) {
      if (i === k - 1) seam[at] = at + length[at];
      length[at] += length[at + length[at]];
      now[at] = nBase + rank;
    }
  });
  const pieces = [];
  for (let at = 0; at < now.length; at += length[at])
    pieces.push({ start: at, end: at + length[at], symbol: now[at], seam: seam[at] });
  return pieces;
}

/** The ids of a text in one vocabulary: what gptcore's Tokenizer.encode returns. */
export function encode(vocabulary, text, rules) {
  const spelled = spell(vocabulary, wellFormed(text), rules);
  const steps = mergeSteps(spelled, vocabulary);
  const pieces = piecesAt(spelled, steps, steps.length, vocabulary.nBase);
  return pieces.map(({ symbol }) => vocabulary.idOf(symbol));
}

// ------------------------------------------------------------------ pieces to something readable

/** Bytes as what can be shown: [{ text }] for whole characters, [{ byte: "E4" }] for parts. */
export function readable(bytes) {
  const found = [];
  for (let i = 0; i < bytes.length; ) {
    const head = bytes[i];
    const n = head < 0x80 ? 1 : head < 0xc0 ? 0 : head < 0xe0 ? 2 : head < 0xf0 ? 3 : 4;
    if (n && i + n <= bytes.length && bytes.subarray(i + 1, i + n).every(isTail)) {
      found.push({ text: UTF8.decode(bytes.subarray(i, i + n)) });
      i += n;
    } else found.push({ byte: hex(bytes[i++]) });
  }
  return found;
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const isTail = (byte) => (byte & 0xc0) === 0x80;
const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
const point = (char) => `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const count = new Intl.NumberFormat("en");

/** What stands for a character that leaves no ink, or null: · for the space, U+200D, ... */
export function sign(char) {
  const code = char.codePointAt(0);
  if (char === " ") return "·";
  if (char === "\n") return "↵";
  if (char === "\t") return "⇥";
  if (code < 32) return String.fromCodePoint(0x2400 + code);
  return /[\p{C}\p{Z}\p{DI}]/u.test(char) ? point(char) : null;
}

/** Characters and bytes as runs to draw: [kind, text], kind being "ink", "sign" or "byte". */
export function runs(parts) {
  const found = [];
  for (const { text, byte } of parts) {
    const kind = byte ? "byte" : sign(text) ? "sign" : "ink";
    const shown = byte ?? sign(text) ?? text;
    if (kind === "ink" && found.at(-1)?.[0] === "ink") found.at(-1)[1] += shown;
    else found.push([kind, shown]);
  }
  // A mark that leans on a letter gets a circle to lean on.
  if (found[0]?.[0] === "ink" && /^\p{M}/u.test(found[0][1])) found[0][1] = `◌${found[0][1]}`;
  return found;
}

/** A text in one vocabulary, with all its merges: what a lane draws. */
export function laneOf(vocabulary, text, rules) {
  const spelled = spell(vocabulary, text, rules), { symbols, heads, bytes, chars } = spelled;
  const steps = mergeSteps(spelled, vocabulary), isWord = vocabulary.kind === "word";
  let offsets = (unit) => unit;  // unit -> byte
  if (vocabulary.kind === "characters") {
    const starts = Int32Array.from(bytes.keys()).filter((i) => !isTail(bytes[i]));
    offsets = (unit) => starts[unit] ?? bytes.length;
  }
  return {
    vocabulary, steps, isWord,
    /** The pieces after k steps; for all but words with their bytes, [from, to). */
    pieces(k) {
      return piecesAt(spelled, steps, k, vocabulary.nBase).map((piece) => ({
        ...piece,
        id: vocabulary.idOf(piece.symbol),
        ...(!isWord && { from: offsets(piece.start), to: offsets(piece.end) }),
      }));
    },
    /** What units [start, end) say: parts for `runs`. */
    parts(start, end) {
      if (!isWord) return readable(bytes.subarray(offsets(start), offsets(end)));
      const unknown = vocabulary.symbolOf.get("<unk>");
      return chars.slice(start, end).map((text, i) => (
        symbols[start + i] === unknown ? { text: "<unk>" } : { text }));
    },
    unknown: ({ symbol }) => isWord && symbol === vocabulary.symbolOf.get("<unk>"),
    endsWord: ({ end }) => isWord && (end === symbols.length || Boolean(heads[end])),
    /** Bytes [from, to), grown to whole characters. */
    span(from, to) {
      while (isTail(bytes[from])) from--;
      while (to < bytes.length && isTail(bytes[to])) to++;
      return [from, to];
    },
    cut: (at) => !isWord && at < bytes.length && isTail(bytes[at]),
    bytes, chars,
  };
}

/** A token in words; what stands in an array is text of the reader's. */
export function describe(lane, piece) {
  const id = `id ${piece.id}, `;
  if (lane.isWord) {
    const text = lane.chars.slice(piece.start, piece.end).join("");
    if (lane.unknown(piece)) return [`${id}<unk>: no token holds `, [text], ` (${point(text)})`];
    return [id, [text], lane.endsWord(piece) ? ", the end of a word" : ", not the end of its word"];
  }
  const { from, to } = piece, text = UTF8.decode(lane.bytes.subarray(...lane.span(from, to)));
  const bytes = [...lane.bytes.subarray(from, Math.min(to, from + 12))].map(hex).join(" ");
  const points = [...text].slice(0, 4).map(point).join(" ");
  return [
    `${id}${to - from === 1 ? "byte" : "bytes"} ${bytes}${to - from > 12 ? " …" : ""}`,
    lane.cut(from) || lane.cut(to) ? ", part of " : ": ", [text],
    ` (${points}${[...text].length > 4 ? " …" : ""})`,
  ];
}

// ------------------------------------------------------------------ drawing

/** Tokens of a lane that are drawn at first, and as many more each time on demand. */
const drawn = () => (matchMedia("(max-width: 600px)").matches ? 90 : 180);

function element(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}

/** Text of the reader's, on its own: its direction and its marks reach no further. */
const own = (text, name) => element("bdi", name, text);

const inked = (parts) => runs(parts).map(([kind, text]) => own(text, `pg-${kind}`));

const sentence = (parts) => parts.map((part) => {
  if (typeof part === "string") return part;
  return element("span", "pg-own", ...inked([...part[0]].map((text) => ({ text }))));
});

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
    if (lane.endsWord({ end: to })) marks.push(element("span", "pg-end", "</w>"));
    return element("span", "pg-own", ...marks);
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
    if (packed.kind === "word") {
      body.append(element("p", "gpt-quiet", packed.splitter === "spacy"
        ? "Lower case only, spaces are lost. GPT-1 cut words with ftfy and spaCy; a page has "
          + "neither and cuts them by gptcore's plain rule: on English prose about one token in "
          + "a hundred differs." : "Lower case only, spaces are lost."));
    }
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
    if (ends) text.append(element("span", "pg-end", "</w>"));
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
