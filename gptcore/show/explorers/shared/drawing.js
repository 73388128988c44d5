// From logits to the token that is drawn: temperature, top-k, top-p, a seed. Pure functions, the
// rules of gptcore/sampling/filters.py and their order.
//
//   const p = chances(logits, { temperature: 0.8, topK: 40, topP: 0.9 })   // sums to 1, 0 = cut
//   const random = numbers(seed)                                           // random() in [0, 1)
//   const id = drawnBy(p, random())
//
// The seed's numbers are not PyTorch's: the same seed gives another text there. At temperature 0
// nothing is drawn, and the text is the same.

/** Numbers from 0 to 1 that follow from a seed. Source: mulberry32. */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** How many of p, which falls, top-k leaves; those as likely as the last one stay. 0: no cut. */
export function topK(p, k) {
  if (!k || k >= p.length) return p.length;
  return p.filter((value) => value >= p[k - 1]).length;
}

/**
 * How many of p, which falls, top-p leaves: the textbook keeps the token with which the sum reaches
 * `limit`, GPT-2's code drops it but keeps one. `others` is the probability of tokens that are not
 * listed; null where more stay than are.
 */
export function topP(p, others, limit, rule) {
  if (limit >= 1) return others > 0 ? null : p.length;
  let sum = 0, n = 0;
  for (const value of p) {
    const enough = rule === "textbook" ? sum >= limit : sum + value > limit;
    if (enough) break;
    sum += value;
    n += 1;
  }
  if (n === p.length && others > 0 && !(rule === "textbook" && sum >= limit)) return null;
  n = Math.max(1, n);
  return p.filter((value) => value >= p[n - 1]).length;
}

/** The place of the largest number, the first of equals. */
export function largest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** What each token is drawn with: `logits` after temperature, then top-k, then top-p. */
export function chances(logits, how = {}) {
  const { temperature = 1, topK: k = 0, topP: limit = 1, rule = "textbook" } = how;
  insist("temperature", temperature, temperature >= 0 && temperature < Infinity, "a number from 0 on");
  insist("topK", k, Number.isInteger(k) && k >= 0, "a whole number, 0 for all tokens");
  insist("topP", limit, limit > 0 && limit <= 1, "in (0, 1], 1 for all tokens");
  insist("rule", rule, ["textbook", "openai"].includes(rule), '"textbook" or "openai"');
  const best = largest(logits), p = new Float64Array(logits.length); // loops: `map` is ten times slower
  if (temperature === 0) {
    p[best] = 1;
    return p;
  }
  for (let i = 0; i < p.length; i++) p[i] = Math.exp((logits[i] - logits[best]) / temperature);
  if (k || limit < 1) {
    const falling = p.slice().sort().reverse();
    const left = divided(falling.subarray(0, topK(falling, k)));
    const n = topP(left, 0, limit, rule);
    for (let i = 0; i < p.length; i++) if (p[i] < falling[n - 1]) p[i] = 0;
  }
  return divided(p);
}

function insist(name, value, holds, what) {
  if (!holds) throw new RangeError(`${name}=${value} must be ${what}`);
}

/** Numbers divided by their sum. */
function divided(values) {
  const shares = new Float64Array(values.length);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  for (let i = 0; i < values.length; i++) shares[i] = values[i] / sum;
  return shares;
}

/** Which token a number from 0 to 1 draws; -1 where p sums to less and the number is beyond. */
export function drawnBy(p, u) {
  let at = 0, last = -1;
  for (let i = 0; i < p.length; i++) {
    at += p[i];
    if (p[i] > 0) last = i;
    if (u < at) return i;
  }
  return at > 1 - 1e-9 ? last : -1;
}

/** The places of the n largest numbers, largest first; of equals the first. */
export function likeliestOf(values, n) {
  const found = [];
  for (let i = 0; i < values.length; i++) {
    if (found.length === n && !(values[i] > values[found[n - 1]])) continue;
    let at = found.length < n ? found.length : n - 1;
    for (; at > 0 && values[i] > values[found[at - 1]]; at--) found[at] = found[at - 1];
    found[at] = i;
  }
  return found;
}
