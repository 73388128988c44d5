// A GPT's forward pass: GPT-1 (norm "post") and GPT-2 (norm "pre"), a few tokens at a time.
//
// The formulas are those of gptcore/model.py and gptcore/attention.py, and the weights' names too.
// What was read stays in the key-value cache, so `read` may be called again and again: with a long
// text a few positions at a time, then with one token after the other.
//
//   const net = new Network(config, tensors)   // config as `pack` of engine.py writes it; tensors:
//                                              // name -> Float32Array, matrices (out, in)
//   net.length                                 // positions that were read; set it lower to forget
//   const hidden = net.read(ids)               // (T, C), the last layer's states of the new tokens
//   const logits = net.logits(hidden.subarray(-C))                     // (V), for the token after
//   const trace = net.newTrace(n); net.read(ids, trace)                // keeps all it went through
//
// Shapes: T new tokens, K positions read so far, C d_model, H heads, D d_head, V vocabulary, L layers.
// Numbers are kept as float32; sums are float64, JavaScript's own, so they are a little more exact
// than PyTorch's. Products of matrices go four rows or positions at a time: a number that was
// fetched from memory is used more than once, which makes it twice as fast.

const KNOWN = { norm: ["post", "pre"], activation: ["gelu_tanh"], pattern: ["dense"] };

/** A 16-bit floating-point number, given as its bits, as a number. */
export function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}

let halves; // all 65,536 of them, made once

/** Half precision to float32. */
export function widened(bits) {
  halves ??= Float32Array.from({ length: 65536 }, (_, i) => half(i));
  const wide = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = halves[bits[i]];
  return wide;
}

// ---------------------------------------------------------------- the parts

/** y = x Wᵀ + b for T rows of x; W is (out, in), row by row. `bias` may be null. */
export function linear(x, T, weight, bias, y) {
  const outs = y.length / T, ins = x.length / T;
  let t = 0;
  for (; t + 4 <= T; t += 4) fourPositions(x, t, weight, bias, y, ins, outs);
  for (; t < T; t++) onePosition(x, t, weight, bias, y, ins, outs);
}

function onePosition(x, t, weight, bias, y, ins, outs) {
  const from = t * ins, to = t * outs;
  let o = 0;
  for (; o + 4 <= outs; o += 4) {
    const r0 = o * ins, r1 = r0 + ins, r2 = r1 + ins, r3 = r2 + ins;
    let a = 0, b = 0, c = 0, d = 0;
    for (let i = 0; i < ins; i++) {
      const value = x[from + i];
      a += value * weight[r0 + i];
      b += value * weight[r1 + i];
      c += value * weight[r2 + i];
      d += value * weight[r3 + i];
    }
    y[to + o] = a;
    y[to + o + 1] = b;
    y[to + o + 2] = c;
    y[to + o + 3] = d;
  }
  for (; o < outs; o++) y[to + o] = dot(x, from, weight, o * ins, ins);
  if (bias) for (o = 0; o < outs; o++) y[to + o] += bias[o];
}

function fourPositions(x, t, weight, bias, y, ins, outs) {
  const x0 = t * ins, x1 = x0 + ins, x2 = x1 + ins, x3 = x2 + ins;
  const y0 = t * outs, y1 = y0 + outs, y2 = y1 + outs, y3 = y2 + outs;
  for (let o = 0; o < outs; o++) {
    const row = o * ins;
    let a = 0, b = 0, c = 0, d = 0;
    for (let i = 0; i < ins; i++) {
      const value = weight[row + i];
      a += value * x[x0 + i];
      b += value * x[x1 + i];
      c += value * x[x2 + i];
      d += value * x[x3 + i];
    }
    const more = bias ? bias[o] : 0;
    y[y0 + o] = a + more;
    y[y1 + o] = b + more;
    y[y2 + o] = c + more;
    y[y3 + o] = d + more;
  }
}

function dot(x, i, y, j, n) {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += x[i + k] * y[j + k];
  return sum;
}

/** LayerNorm of each row of C numbers. */
export function layerNorm(x, { weight, bias, eps }, y) {
  const C = weight.length;
  for (let row = 0; row < x.length; row += C) {
    let mean = 0, variance = 0;
    for (let i = 0; i < C; i++) mean += x[row + i] / C;
    for (let i = 0; i < C; i++) variance += (x[row + i] - mean) ** 2 / C;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < C; i++) y[row + i] = (x[row + i] - mean) * scale * weight[i] + bias[i];
  }
}

/** The GELU in its tanh form, in place. Source: Hendrycks and Gimpel 2016, §2. */
export function gelu(x) {
  const root = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < x.length; i++) {
    const v = x[i];
    x[i] = 0.5 * v * (1 + Math.tanh(root * (v + 0.044715 * v * v * v)));
  }
}

/** Softmax of the first n numbers, in place. */
export function softmax(x, n) {
  let most = -Infinity, sum = 0;
  for (let i = 0; i < n; i++) if (x[i] > most) most = x[i];
  for (let i = 0; i < n; i++) sum += x[i] = Math.exp(x[i] - most);
  for (let i = 0; i < n; i++) x[i] /= sum;
}

/** x += y. */
function add(x, y) {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}

// ---------------------------------------------------------------- the network

export class Network {
  constructor(config, tensors) {
    check(config);
    this.config = config;
    this.length = 0;
    const tensor = (name) => {
      if (!tensors[name]) throw new Error(`the weights have no tensor ${name}`);
      return tensors[name];
    };
    const affine = (name) => ({ weight: tensor(`${name}.weight`), bias: tensor(`${name}.bias`) });
    const norm = (name) => ({ ...affine(name), eps: config.ln_eps });
    this.wte = tensor("wte.weight");
    this.wpe = tensor("wpe.weight");
    this.output = config.tied ? this.wte : tensor("lm_head.weight");
    this.ln_f = config.norm === "pre" ? norm("ln_f") : null;
    this.blocks = Array.from({ length: config.n_layer }, (_, i) => ({
      ln_1: norm(`h.${i}.ln_1`),
      c_attn: affine(`h.${i}.attn.c_attn`),
      attn_proj: affine(`h.${i}.attn.c_proj`),
      ln_2: norm(`h.${i}.ln_2`),
      c_fc: affine(`h.${i}.mlp.c_fc`),
      mlp_proj: affine(`h.${i}.mlp.c_proj`),
      // The cache: keys and values of every position that was read, (n_ctx, C) each.
      keys: new Float32Array(config.n_ctx * config.d_model),
      values: new Float32Array(config.n_ctx * config.d_model),
    }));
    this.scores = new Float64Array(config.n_ctx);
  }

  /** The last layer's states (T, C) of tokens that continue what was read; `trace` keeps the rest. */
  read(ids, trace = null) {
    const { config } = this, C = config.d_model, T = ids.length, start = this.length;
    if (start + T > config.n_ctx)
      throw new Error(`${start + T} tokens do not fit: n_ctx=${config.n_ctx} is the longest text`);
    const x = new Float32Array(T * C);
    ids.forEach((id, t) => {
      if (!(id >= 0 && id < config.vocab_size))
        throw new Error(`id ${id} must be one of 0..${config.vocab_size - 1}`);
      for (let i = 0; i < C; i++) x[t * C + i] = this.wte[id * C + i] + this.wpe[(start + t) * C + i];
    });
    trace?.residuals[0].set(x, start * C);
    this.blocks.forEach((block, layer) => this.block(block, layer, x, T, trace));
    this.length = start + T;
    return this.final(x);
  }

  /** Attention, then MLP, each beside a residual path; `norm` says where LayerNorm stands. */
  block(block, layer, x, T, trace) {
    const post = this.config.norm === "post", inner = new Float32Array(x.length);
    const half1 = (norm, sub) => {
      if (post) { // GPT-1: normalise the sum
        add(x, sub(x));
        layerNorm(x, norm, x);
      } else { // GPT-2: normalise what enters, leave the residual stream alone
        layerNorm(x, norm, inner);
        add(x, sub(inner));
      }
    };
    const keep = (i) => trace?.residuals[i].set(x, this.length * this.config.d_model);
    half1(block.ln_1, (input) => this.attention(block, layer, input, T, trace));
    keep(2 * layer + 1);
    half1(block.ln_2, (input) => this.mlp(block, input, T));
    keep(2 * layer + 2);
  }

  mlp({ c_fc, mlp_proj }, x, T) {
    const wide = new Float32Array(T * c_fc.bias.length), y = new Float32Array(x.length);
    linear(x, T, c_fc.weight, c_fc.bias, wide);
    gelu(wide);
    linear(wide, T, mlp_proj.weight, mlp_proj.bias, y);
    return y;
  }

  /** Every position reads itself and what came before, with each head for itself. */
  attention({ c_attn, attn_proj, keys, values }, layer, x, T, trace) {
    const { d_model: C, n_head: H } = this.config, D = C / H, { scores } = this;
    const qkv = new Float32Array(3 * x.length), mixed = new Float32Array(x.length);
    linear(x, T, c_attn.weight, c_attn.bias, qkv);
    trace?.qkv[layer].set(qkv, 3 * C * this.length);
    for (let t = 0; t < T; t++) {
      const row = 3 * C * t, position = this.length + t;
      keys.set(qkv.subarray(row + C, row + 2 * C), C * position);
      values.set(qkv.subarray(row + 2 * C, row + 3 * C), C * position);
      for (let head = 0; head < H; head++) {
        for (let k = 0; k <= position; k++)
          scores[k] = dot(qkv, row + head * D, keys, k * C + head * D, D) / Math.sqrt(D);
        softmax(scores, position + 1);
        for (let k = 0; k <= position; k++) {
          const weight = scores[k], from = k * C + head * D, to = t * C + head * D;
          for (let i = 0; i < D; i++) mixed[to + i] += weight * values[from + i];
        }
        const n = trace?.n;
        trace?.attentions[layer].set(scores.subarray(0, position + 1), (head * n + position) * n);
      }
    }
    const y = new Float32Array(x.length);
    linear(mixed, T, attn_proj.weight, attn_proj.bias, y);
    return y;
  }

  /** What the output matrix reads: the residual stream, for GPT-2 after `ln_f`. */
  final(stream) {
    if (!this.ln_f) return stream;
    const y = new Float32Array(stream.length);
    layerNorm(stream, this.ln_f, y);
    return y;
  }

  /** Logits (T, V) for the token after each state of `final` or `read`. */
  logits(states) {
    const T = states.length / this.config.d_model;
    const y = new Float32Array(T * this.config.vocab_size);
    linear(states, T, this.output, null, y);
    return y;
  }

  /** Room for all that a text of n tokens goes through. `read` it from `length` 0 on. */
  newTrace(n) {
    const { n_layer: L, n_head: H, d_model: C } = this.config;
    const numbers = (many, size) => Array.from({ length: many }, () => new Float32Array(size));
    return {
      n,
      attentions: numbers(L, H * n * n), // for each layer (H, n, n); rows sum to 1
      residuals: numbers(2 * L + 1, n * C), // the embeddings, then the stream after each sub-layer
      qkv: numbers(L, 3 * n * C), // for each layer (n, 3 C): queries, keys, values of all heads
    };
  }
}

function check(config) {
  for (const [field, known] of Object.entries(KNOWN)) {
    for (const name of [config[field]].flat())
      if (!known.includes(name))
        throw new Error(`${field} "${name}" is not one that a page can run: ${known.join(", ")}`);
  }
}
