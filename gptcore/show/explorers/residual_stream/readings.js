// What is read from the residual stream, and what follows from it; nothing here draws.
//
// A reading is 4 K + 5 numbers of two bytes: K places in the list of names; the K probabilities
// here, one depth earlier, one later; rank and probability of the true next token, then of the
// token just read; entropy. A probability is 65,535 √p, an entropy thousandths of a nat.

import { count, moved } from "../shared/kit.js";

const SPARE = 2; // rows drawn above and below those that are seen
const GUESSES = 9; // positions that a page key moves over

// ---------------------------------------------------------------- numbers

/** What is read at a position and depth of a look; `top` is K. */
export function reading({ numbers }, top, depths, token, depth) {
  const first = (token * depths + depth) * (4 * top + 5);
  const at = (i) => numbers.getUint16(2 * (first + i), true);
  const share = (i) => (at(i) / 65535) ** 2;
  const all = (from, get) => Array.from({ length: top }, (_, i) => get(from + i));
  return {
    names: all(0, at),
    p: all(top, share),
    before: all(2 * top, share),
    after: all(3 * top, share),
    rank: at(4 * top),
    true: share(4 * top + 1),
    itselfRank: at(4 * top + 2),
    itself: share(4 * top + 3),
    entropy: at(4 * top + 4) / 1000,
  };
}

/** The token that truly follows a position, or null where the text ends. */
export const truth = ({ tokens, next }, token) => tokens[token + 1] ?? next;

/** How strongly a probability, rank or entropy is shaded, 0 to 1. */
export function strength(by, value, vocabulary) {
  const spread = Math.log(vocabulary) || 1;
  if (by === "rank") return 1 - Math.log(value) / spread;
  if (by === "entropy") return Math.max(0, 1 - value / spread);
  return Math.sqrt(value); // a root, so that small probabilities are seen
}

/** The strength of every reading of a look, position by position. */
export function strengths({ numbers, tokens }, top, depths, by, vocabulary) {
  const place = { top, true: 4 * top + 1, rank: 4 * top, itself: 4 * top + 3, entropy: 4 * top + 4 };
  const unit = { rank: (x) => x, entropy: (x) => x / 1000 }[by] ?? ((x) => (x / 65535) ** 2);
  return Float32Array.from({ length: tokens.length * depths }, (_, i) => {
    const number = numbers.getUint16(2 * (i * (4 * top + 5) + place[by]), true);
    return strength(by, unit(number), vocabulary);
  });
}

/** The scale under the grid: [what is written, its strength]. */
export function scale(by, vocabulary) {
  const steps = { rank: [1, 10, 100, 1000], entropy: [0, 2, 4, 6] }[by] ?? [0.01, 0.1, 0.3, 1];
  const most = { rank: vocabulary, entropy: Math.log(vocabulary) }[by] ?? 1;
  return steps
    .filter((value) => value <= most)
    .map((value) => [`${value}`, strength(by, value, vocabulary)]);
}

/** The first depth at which the true next token is on top, or -1. */
export const firstOnTop = (ranks) => ranks.indexOf(1);

/** Where a depth is, as part of a sentence. */
export const where = (depth) => (depth ? `after layer ${depth - 1}` : "in the embedding");

/** What to answer to a guess; -1 is the guess "nowhere". */
export function verdict(ranks, guess) {
  const first = firstOnTop(ranks), last = ranks.length - 1;
  const right = first === guess;
  const end = `after the last layer its rank is ${count(ranks[last])}`;
  let text = `It is nowhere on top; ${end}.`;
  if (first >= 0) {
    const stays = ranks.slice(first).every((rank) => rank === 1);
    text = `It is first on top ${where(first)}`;
    text += first === last ? "." : stays ? ", and stays there." : `, but does not stay; ${end}.`;
  }
  const off = Math.abs(first - guess), steps = off === 1 ? "one step" : `${off} steps`;
  const side = guess < first ? "early" : "late";
  let yours = right ? "Your guess was right." : `Your guess was ${steps} too ${side}.`;
  if (!right && Math.min(guess, first) < 0)
    yours = `Your guess was ${guess < 0 ? "nowhere" : where(guess)}.`;
  return { right, text: `${text} ${yours}` };
}

/** The rows [from, to) that are drawn when `height` pixels below `top` are seen. */
export function visible(top, height, row, size) {
  const from = Math.max(0, Math.floor(top / row) - SPARE);
  return [Math.min(from, size), Math.min(size, Math.ceil((top + height) / row) + SPARE)];
}

/** Where a key leads from a cell of the grid, or null for other keys. */
export function placeFor({ key, ctrlKey = false }, { token, depth }, size, depths) {
  if (ctrlKey && key === "Home") return { token: 0, depth };
  if (ctrlKey && key === "End") return { token: size - 1, depth };
  const to = moved(key, { row: token, column: depth }, size, depths, GUESSES);
  return to && { token: to.row, depth: to.column };
}

/** The first of the tokens that lead up to a position and are no longer than `limit` characters. */
export function contextFrom(tokens, token, limit) {
  let from = token, length = tokens[token][0].length;
  while (from > 0 && length + tokens[from - 1][0].length <= limit)
    length += tokens[--from][0].length;
  return from;
}

/** A probability as text. */
export function written(p) {
  if (p < 0.0005) return p === 0 ? "0" : "<0.001";
  return p.toFixed(p >= 0.0995 ? 2 : 3);
}

/** The whole text as RGBA, a pixel per reading: `ground` for strength 0, `heat` for 1;
 *  clear where `covered(i)`. */
export function pixels(shades, covered, heat, ground) {
  const image = new Uint8ClampedArray(4 * shades.length);
  for (const [i, share] of shades.entries()) {
    if (covered(i)) continue; // clear
    for (let c = 0; c < 3; c++) image[4 * i + c] = ground[c] + share * (heat[c] - ground[c]);
    image[4 * i + 3] = 255;
  }
  return image;
}

