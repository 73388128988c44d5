// Masks and what follows from them: what rows cost, how far layers carry a token, what is wrong, and
// the words for it. Nothing here touches the page.

import { moved, plural } from "../shared/kit.js";

export const LIMITS = { n: [8, 256], window: [1, 256], summary: [1, 256], n_layer: [1, 48] };
const NEVER = 65535; // layers until a token arrives that never does
export const QUESTION = { n: 64, window: 8 }; // what the reader predicts

// The lines of gptcore/attention.py: may query q read key k? l is the window, c the summary.
export const PATTERNS = {
  dense: (q, k) => k <= q,
  banded: (q, k, l) => k <= q && q - k < l,
  strided: (q, k, l) => k <= q && (q - k) % l === 0,
  block: (q, k, l) => k <= q && Math.floor(q / l) === Math.floor(k / l),
  fixed: (q, k, l, c) => PATTERNS.block(q, k, l) || (k <= q && k % l >= l - c),
};

// ---------------------------------------------------------------- numbers

/** A mask, row by row: 1 where query q may read key k, at q n + k. */
export function mask(name, { n, window, summary }) {
  const found = new Uint8Array(n * n), may = PATTERNS[name];
  for (let q = 0; q < n; q++)
    for (let k = 0; k <= q; k++) found[q * n + k] = may(q, k, window, summary) ? 1 : 0;
  return found;
}

/** One mask per name of the pattern, with the cells [name's index, q, k, 0 or 1] painted over. */
export function masks(setup) {
  const found = setup.pattern.map((name) => mask(name, setup));
  for (const [i, q, k, value] of setup.painted ?? [])
    if (found[i] && q < setup.n && k < setup.n) found[i][q * setup.n + k] = value;
  return found;
}

/** How many keys each query reads. */
export function costs(mask, n) {
  return Array.from({ length: n }, (_, q) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += mask[q * n + k];
    return sum;
  });
}

/** Entries of a mask: scores that a layer needs per head. */
export function entries(mask) {
  let sum = 0;
  for (let at = 0; at < mask.length; at++) sum += mask[at];
  return sum;
}

/** The keys of each query, in order. */
export function keys(mask, n) {
  return Array.from({ length: n }, (_, q) => {
    const row = [];
    for (let k = 0; k < n; k++) if (mask[q * n + k]) row.push(k);
    return row;
  });
}

/** After how many layers key k has first reached query q, at q n + k; 0 for itself. The lists of
    keys are tiled over as many layers as it takes until nothing more arrives. */
export function distances(lists, n) {
  const words = Math.ceil(n / 32), found = new Uint16Array(n * n).fill(NEVER);
  let reach = new Uint32Array(n * words);
  for (let q = 0; q < n; q++) {
    reach[q * words + (q >> 5)] = 1 << (q & 31);
    found[q * n + q] = 0;
  }
  for (let layer = 0, idle = 0; idle < lists.length; layer++) {
    const next = reach.slice(), list = lists[layer % lists.length];
    idle += 1;
    for (let q = 0; q < n; q++) {
      for (const k of list[q])
        for (let w = 0; w < words; w++) next[q * words + w] |= reach[k * words + w];
      for (let w = 0; w < words; w++) {
        let fresh = next[q * words + w] & ~reach[q * words + w];
        if (fresh) idle = 0;
        for (; fresh; fresh &= fresh - 1)
          found[q * n + 32 * w + 31 - Math.clz32(fresh & -fresh)] = layer + 1;
      }
    }
    reach = next;
  }
  return found;
}

/** How many tokens have reached query q after 0, 1 … `layers` layers. */
export function fields(distance, n, q, layers) {
  const row = distance.subarray(q * n, (q + 1) * n);
  const within = (layer) => row.reduce((sum, far) => sum + (far <= layer), 0);
  return Array.from({ length: layers + 1 }, (_, layer) => within(layer));
}

/** How many tokens have reached each query after `layers` layers. */
export function gathered(distance, n, layers) {
  const found = new Array(n).fill(0);
  for (let at = 0; at < n * n; at++) if (distance[at] <= layers) found[Math.floor(at / n)] += 1;
  return found;
}

/** For each level from 0 to `layers`: 1 at the places from which something reaches q at the top. */
export function cone(lists, n, q, layers) {
  const levels = [Uint8Array.from({ length: n }, (_, at) => (at === q ? 1 : 0))];
  for (let layer = layers - 1; layer >= 0; layer--) {
    const below = levels[0].slice();
    levels[0].forEach((active, at) => {
      if (active) for (const k of lists[layer % lists.length][at]) below[k] = 1;
    });
    levels.unshift(below);
  }
  return levels;
}

/** The places that lead from k to q in `layers` layers, level by level, with the fewest hops. */
export function route(lists, n, k, q, layers) {
  let hops = new Float64Array(n).fill(Infinity);
  hops[k] = 0;
  const from = [];
  for (let layer = 0; layer < layers; layer++) {
    const list = lists[layer % lists.length], next = hops.slice(), came = new Uint16Array(n);
    for (let at = 0; at < n; at++) {
      came[at] = at; // it waits
      for (const key of list[at])
        if (hops[key] + 1 < next[at]) {
          next[at] = hops[key] + 1;
          came[at] = key;
        }
    }
    from.push(came);
    hops = next;
  }
  if (hops[q] === Infinity) return null;
  const places = [q];
  for (const came of from.reverse()) places.unshift(came[places[0]]);
  return places;
}

/** Everything that follows from a mask and not from what is pointed at. */
export function network(setup) {
  const { n } = setup, found = masks(setup), lists = found.map((one) => keys(one, n));
  const rows = found.map((one) => costs(one, n));
  return { masks: found, lists, costs: rows, distance: distances(lists, n) };
}

/** Entries of all layers together, and what as many dense layers would have. */
export function stack(network, { n, n_layer }) {
  const each = network.masks.map(entries), dense = (n * (n + 1)) / 2;
  let sum = 0;
  for (let layer = 0; layer < n_layer; layer++) sum += each[layer % each.length];
  return { each, dense, sum, all: n_layer * dense };
}

/** How many times as many entries the stack has when the text is twice as long, and a dense one. */
export function growth(setup) {
  const { pattern, n, n_layer } = setup;
  const sum = (size) => {
    const each = pattern.map((name) => entries(mask(name, { ...setup, n: size })));
    return Array.from({ length: n_layer }, (_, i) => each[i % each.length]).reduce((a, b) => a + b);
  };
  return { own: sum(2 * n) / sum(n), dense: (2 * (2 * n + 1)) / (n + 1) };
}

/** What is wrong with a mask: cells in the future, the tokens that see the very token they have to
    predict after all layers, and queries that may read nothing. */
export function faults({ masks: all, costs: rows, distance }, { n, n_layer }) {
  const leaks = [], cheats = [], empty = new Set();
  for (const one of all)
    for (let q = 0; q < n; q++)
      for (let k = q + 1; k < n; k++) if (one[q * n + k]) leaks.push([q, k]);
  for (let q = 0; q + 1 < n; q++) if (distance[q * n + q + 1] <= n_layer) cheats.push(q);
  for (const row of rows) row.forEach((cost, q) => cost || empty.add(q));
  return { leaks, cheats, empty: [...empty].sort((a, b) => a - b) };
}

/** What a prediction gets as an answer: is it right, and what the guessed layers really do. */
export function judge(guess, { n, window } = QUESTION) {
  const most = LIMITS.n_layer[1], step = window - 1, needed = Math.ceil((n - 1) / step);
  if (!Number.isInteger(guess) || guess < 1 || guess > most)
    return { right: false, layers: null, text: `A whole number from 1 to ${most}, please.` };
  const back = guess * step, own = `a window of ${window} counts the token itself`;
  const way = `token 0 is ${n - 1} places away`;
  const carried = `a layer carries what a token knows ${step} places further`;
  if (guess === needed) {
    const text = `Yes. Since ${own}, ${carried}, and ${way}: ${guess} layers, ${back} places. ` +
      "Follow the line below from hop to hop.";
    return { right: true, layers: guess, text };
  }
  if (guess > needed) {
    const text = `That is enough, but fewer layers do it: ${way}, and ${carried}. Try again.`;
    return { right: false, layers: guess, text };
  }
  const why = guess * window === n ? `Careful: ${own}, so ${carried}` : `Not yet: ${carried}`;
  const text = `${why}. ${guess} × ${step} = ${back}, as far back as token ${n - 1 - back}. ` +
    "See where the blue ends below, and try again.";
  return { right: false, layers: guess, text };
}

/** The cells of a stroke from one cell to another, without the first. */
export function stroke(from, to) {
  const steps = Math.max(Math.abs(to.q - from.q), Math.abs(to.k - from.k));
  const at = (name, i) => Math.round(from[name] + (i * (to[name] - from[name])) / steps);
  return Array.from({ length: steps }, (_, i) => ({ q: at("q", i + 1), k: at("k", i + 1) }));
}

/** The cell that a key of the keyboard leads to, or null for other keys. */
export function cellFor(key, { q, k }, n) {
  const to = moved(key, { row: q, column: k }, n, n, Math.max(1, Math.round(n / 8)));
  return to && { q: to.row, k: to.column };
}

/** A setup that a mask can be made of, whatever the state holds. */
export function sound(given) {
  const within = (value, [low, high]) => Math.max(low, Math.min(high, Math.round(value)));
  const n = within(given.n, LIMITS.n), window = within(given.window, [1, n]);
  return {
    n,
    window,
    summary: within(given.summary, [1, window]),
    n_layer: within(given.n_layer, LIMITS.n_layer),
    pattern: given.pattern.filter((name) => name in PATTERNS),
    painted: given.painted ?? [],
    token: within(given.token, [0, n - 1]),
    key: within(given.key, [0, n - 1]),
  };
}

/** Cells of a mask as RGB and strength: blue in the past, vermilion in the future, grey closed. */
export function pixels(strength, n, { open, leak, closed }) {
  const image = new Uint8ClampedArray(4 * n * n);
  for (let q = 0, at = 0; q < n; q++)
    for (let k = 0; k < n; k++, at += 4) {
      const share = strength[q * n + k];
      if (k > q && !share) continue; // the future is left clear
      const hue = k > q ? leak : open;
      for (let c = 0; c < 3; c++) image[at + c] = closed[c] + share * (hue[c] - closed[c]);
      image[at + 3] = 255;
    }
  return image;
}

/** The stretches of ones in a level, as [from, to). */
export function runs(level) {
  const found = [];
  level.forEach((active, at) => {
    if (!active) return;
    if (found.at(-1)?.[1] === at) found.at(-1)[1] = at + 1;
    else found.push([at, at + 1]);
  });
  return found;
}

/** How strong a cell is drawn that is reached after `far` of `layers` layers: 1 down to 0.3. */
export function strength(far, layers) {
  if (far > layers) return 0;
  return far <= 1 ? 1 : 1 - (0.7 * (far - 1)) / Math.max(1, layers - 1);
}

// ---------------------------------------------------------------- words

/** The rule of a pattern for a token q, with its numbers. */
export function rule(name, { window, summary }) {
  return {
    dense: "all k ≤ q",
    banded: `k ≤ q with q − k < ${window}`,
    strided: `k ≤ q with q − k a multiple of ${window}`,
    block: `k ≤ q in the same block of ${window}`,
    fixed: `k ≤ q in the same block of ${window}, or k mod ${window} ≥ ${window - summary}`,
  }[name];
}

/** What to notice about a stack. */
export function notice(pattern) {
  const texts = {
    dense: "One layer is enough for every token to reach every later one. The price: row q has " +
      "q + 1 entries, so twice the text costs about four times as much.",
    banded: "No row costs more than the window, however long the text. The price: a layer " +
      "carries what a token knows only l − 1 places further, and far tokens need many layers.",
    strided: "Alone, this pattern reaches only tokens a multiple of the stride away, however " +
      "many layers there are: look at all layers together and see the stripes stay. Sparse " +
      "Transformer (§4.3) pairs it with a band.",
    block: "Nothing ever leaves its block, however many layers there are. Compare with fixed, " +
      "which adds columns that all later tokens may read.",
    fixed: "The last places of each block are read by all later tokens. What a token knows is " +
      "handed on there, and two layers are enough to bring it to everybody later " +
      "(Sparse Transformer, §4.3).",
    "dense,banded": "A dense layer keeps every earlier token one hop away; a banded one costs " +
      "less. Every other layer is dense, so the cost still grows with the square of the length. " +
      "GPT-3 (§2.1) says that the two alternate, and neither how wide the band is nor which " +
      "comes first.",
    "banded,strided": "Neither layer alone brings every token to every later one, both together " +
      "do: the band to a place that the stride stops at, the stride the rest of the way. With l " +
      "near √n a row has at most about √n keys, a layer about n √n entries, and two layers are " +
      "still enough (Sparse Transformer, §4.2).",
  };
  const others = "Look at all layers together: the paler a cell, the more layers it takes.";
  return texts[pattern.join()] ?? others;
}

/** Which layers a name of the pattern stands for. */
export function layersOf(index, period, n_layer) {
  const found = [];
  for (let layer = index; layer < n_layer; layer += period) found.push(layer);
  if (period === 1 || !found.length) return period === 1 ? "every layer" : "no layer";
  const shown = found.length > 3 ? `${found[0]}, ${found[1]} …` : found.join(", ");
  return `layer${found.length > 1 ? "s" : ""} ${shown}`;
}

/** The way of key k to query q in words: `far` layers; `places` is a route or null. */
export function wayInWords(k, q, far, layers, places, secret = false) {
  if (k === q) return `Token ${q} keeps what it has: no hop is needed.`;
  if (far === NEVER)
    return k > q
      ? `Token ${k} comes after token ${q} and never reaches it.`
      : `Token ${k} never reaches token ${q}, however many layers there are.`;
  if (far > layers) {
    const takes = secret ? "" : `: it takes ${far}`;
    return `Token ${k} does not reach token ${q} in ${plural(layers, "layer")}${takes}.`;
  }
  const stops = places.filter((at, i) => at !== places[i - 1]);
  const shown = stops.length > 12 ? [...stops.slice(0, 6), "…", ...stops.slice(-3)] : stops;
  return `${shown.join(" → ")}: ${plural(stops.length - 1, "hop")}, ${plural(far, "layer")}.`;
}

/** What is wrong with a painted mask, in words; "" if nothing is. */
export function warning({ leaks, cheats, empty }, n_layer) {
  const texts = [], more = (all) => (all.length > 1 ? ` and ${all.length - 1} more` : "");
  if (leaks.length) {
    const [q, k] = leaks[0], others = leaks.length - 1;
    const rest = others ? `, and so do ${plural(others, "other cell")}` : "";
    texts.push(`The future leaks: token ${q} reads token ${k}${rest}.`);
    texts.push(cheats.length
      ? `In ${plural(n_layer, "layer")}, token ${cheats[0]}${more(cheats)} can see the very ` +
        "token that has to be predicted there: in training the answer can be copied."
      : "No token sees the very next one, but what comes later is no longer hidden.");
  }
  if (empty.length)
    texts.push(`Token ${empty[0]}${more(empty)} may read nothing: a softmax over no scores has ` +
      "no sum to divide by.");
  return texts.join(" ");
}
