// What four explorers show of a text, made in the page: for the same weights the numbers that
// Python's `look` gives, packed as it packs them. Nothing here draws.
//
//   attention        gptcore/show/explorers/attention/attention.py
//   attention_steps  gptcore/show/explorers/attention_steps/attention_steps.py
//   residual_stream  gptcore/show/explorers/residual_stream/residual_stream.py
//   next_word        gptcore/show/explorers/next_word/next_word.py

import { likeliestOf } from "../shared/drawing.js";

const MOST = 65535; // what two bytes can count to

/** A number rounded as Python and PyTorch do: halves to the even neighbour. */
export function rounded(x) {
  const low = Math.floor(x), rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** Attention weights of all layers and heads, a byte 255 √weight each, row by row. */
export async function packedWeights({ attentions, n }, pause) {
  const heads = attentions[0].length / (n * n);
  const bytes = new Uint8Array((attentions.length * heads * n * (n + 1)) / 2);
  let at = 0;
  for (const weights of attentions) {
    for (let row = 0; row < heads * n; row++)
      for (let k = 0; k <= row % n; k++) bytes[at++] = rounded(255 * Math.sqrt(weights[row * n + k]));
    await pause();
  }
  return new DataView(bytes.buffer);
}

/** Queries, keys and values of all heads: whole multiples of one unit per matrix. */
export async function packedVectors({ qkv, n }, { n_head: H, d_model: C }, pause) {
  const D = C / H, units = [], numbers = new DataView(new ArrayBuffer(2 * qkv.length * 3 * C * n));
  let at = 0;
  for (const all of qkv) {
    for (let matrix = 0; matrix < 3 * H; matrix++) { // head by head its queries, keys, values
      const from = (matrix % 3) * C + Math.floor(matrix / 3) * D, found = [];
      for (let t = 0; t < n; t++) found.push(...all.subarray(3 * C * t + from, 3 * C * t + from + D));
      const unit = found.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 32767;
      units.push(unit);
      for (const x of found) numbers.setInt16(2 * at++, rounded(x / (unit || 1)), true);
    }
    await pause();
  }
  return { numbers, units };
}

/** ln p of every token, from logits. */
export function logSoftmax(logits) {
  const logp = new Float64Array(logits.length);
  let most = -Infinity, sum = 0;
  for (let i = 0; i < logp.length; i++) if (logits[i] > most) most = logits[i];
  for (let i = 0; i < logp.length; i++) sum += Math.exp(logits[i] - most);
  const norm = most + Math.log(sum);
  for (let i = 0; i < logp.length; i++) logp[i] = logits[i] - norm;
  return logp;
}

/** The rank of a token, counted from 1: how many are likelier. */
function rankOf(logp, id) {
  let rank = 1;
  for (let i = 0; i < logp.length; i++) if (logp[i] > logp[id]) rank += 1;
  return rank;
}

/** In nats. */
function entropyOf(logp) {
  let sum = 0;
  for (let i = 0; i < logp.length; i++) if (logp[i] > -Infinity) sum -= Math.exp(logp[i]) * logp[i];
  return sum;
}

/**
 * What every depth of the residual stream says at every position. `trace.residuals` has the stream
 * after each sub-layer; the lens reads it after whole layers.
 */
export async function readings(net, trace, kept, after, top, pause) {
  const { n_layer: L, d_model: C } = net.config, depths = L + 1, size = 4 * top + 5;
  const numbers = new Uint16Array(trace.n * depths * size), ids = new Set(), best = [];
  const sums = Array.from({ length: depths }, () => [0, 0, 0]);
  for (let t = 0; t < trace.n; t++) {
    const here = [];
    for (let depth = 0; depth < depths; depth++) {
      const stream = trace.residuals[2 * depth].subarray(t * C, (t + 1) * C);
      here.push(logSoftmax(net.logits(net.final(stream))));
      await pause();
    }
    here.forEach((logp, depth) => {
      const places = likeliestOf(logp, top), true_ = after[t] ?? kept.at(-1);
      const rank = rankOf(logp, true_), itself = rankOf(logp, kept[t]);
      const share = (value) => rounded(MOST * Math.min(1, Math.exp(value / 2)));
      const of = (other) => places.map((id) => (other ? share(other[id]) : 0));
      best.push(places);
      places.forEach((id) => ids.add(id));
      numbers.set([...places.map(() => 0), ...of(logp), ...of(here[depth - 1]), ...of(here[depth + 1]),
        rank, share(logp[true_]), itself, share(logp[kept[t]]), rounded(1000 * entropyOf(logp))],
      (t * depths + depth) * size);
      sums[depth][0] += itself === 1;
      if (t >= after.length) return; // where the text ends nothing is known to follow
      sums[depth][1] += rank === 1;
      sums[depth][2] -= logp[true_];
    });
  }
  const names = [...ids].sort((a, b) => a - b), place = new Map(names.map((id, i) => [id, i]));
  best.forEach((places, i) => places.forEach((id, k) => { numbers[i * size + k] = place.get(id); }));
  const mean = (sum, n) => Math.round(1e4 * sum / n) / 1e4;
  const facts = sums.map(([itself, ...rest]) => [
    mean(itself, trace.n), ...(after.length ? rest.map((sum) => mean(sum, after.length)) : []),
  ]);
  return { names, numbers: littleEndian(numbers), facts };
}

function littleEndian(numbers) {
  const bytes = new DataView(new ArrayBuffer(2 * numbers.length));
  numbers.forEach((value, i) => bytes.setUint16(2 * i, value, true));
  return bytes;
}

/** The look of one of the four explorers at a text that was traced: everything but its name. */
export async function lookOf(kind, { net, tokenizer, trace, ids, top, pause }) {
  const kept = ids.slice(0, trace.n), labels = (some) => some.map((id) => tokenizer.label(id));
  const look = { tokens: labels(kept), of: ids.length };
  if (kind === "attention") return { ...look, weights: await packedWeights(trace, pause) };
  if (kind === "attention_steps") {
    const may = trace.qkv.map(() => null); // dense: itself and all before it
    return { ...look, ...await packedVectors(trace, net.config, pause), may };
  }
  if (kind === "residual_stream") {
    const after = ids.slice(1, trace.n + 1);
    const { names, numbers, facts } = await readings(net, trace, kept, after, top, pause);
    const next = after.length === kept.length ? tokenizer.label(after.at(-1)) : null;
    return { ...look, next, names: labels(names), numbers, facts };
  }
  if (kind === "next_word") {
    const C = net.config.d_model, last = trace.residuals.at(-1).subarray(-C);
    const logp = logSoftmax(net.logits(net.final(last)));
    return { ...look, ids: kept, gpt: likeliestOf(logp, top).map((id) => [id, Math.exp(logp[id])]) };
  }
  throw new Error(`look "${kind}" must be "attention", "attention_steps", "next_word" or "residual_stream"`);
}
