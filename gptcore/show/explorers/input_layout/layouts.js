// GPT-1's inputs as rows of tokens: what is laid out, cut, padded and asked for, how a prediction is
// judged, and the words for all of it. Tested against gptcore.text.inputs; nothing here touches the
// page. Rows, options and positions count from 0.

import { count, plural } from "../shared/kit.js";
import { describe, laneOf, wellFormed } from "../shared/tokens.js";

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

/** The pieces that a reader may lay out, in an order that gives nothing away. */
export function piecesOf(task) {
  const second = TASKS[task].names.length > 1;
  return ["delimiter", ...(second ? ["second"] : []), "extract", "first", "start"];
}

export const pieceName = (task, piece) =>
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
    `${count(gone)} of ${plural(of, "token")} of ${theOf(task, text)}`));
}

/** A row in words. */
export function rowInWords(task, { segments, at }) {
  const parts = segments.map(({ kind, text, n }) => (
    kind === "text" ? `${plural(n, "token")} of ${theOf(task, text)}` : kind));
  return `Start, ${listed(parts.slice(1))}. The head reads position ${at}.`;
}

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
