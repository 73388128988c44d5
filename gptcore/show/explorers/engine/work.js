// What is done for a page, in a worker or on the page itself: jobs one after the other, each in
// parts between which others get their turn. engine.js says what can be asked.

import { chances, drawnBy, likeliestOf, numbers } from "../shared/drawing.js";
import { lookOf } from "./looks.js";
import { Network, widened } from "./network.js";
import { nameOf, tokenizerOf } from "./text.js";

const PART = 4; // positions that are read between two pauses
const CHUNK = 1 << 18; // letters of base64 that are decoded between two pauses

/** What waits for a moment when `limit` milliseconds have passed since it last did. */
export function pauser(limit) {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < limit) return;
    await new Promise((resolve) => { // a message comes sooner than any timer
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(0);
    });
    since = performance.now();
  };
}

/** The bytes of a text in base64. */
export async function decoded(text, pause) {
  const bytes = new Uint8Array(Math.floor(text.length / 4) * 3);
  let at = 0;
  for (let from = 0; from < text.length; from += CHUNK) {
    const part = atob(text.slice(from, from + CHUNK));
    for (let i = 0; i < part.length; i++) bytes[at++] = part.charCodeAt(i);
    await pause();
  }
  return bytes.subarray(0, at);
}

export class Engine {
  constructor(pause, answer) {
    Object.assign(this, { pause, answer, read: [], stopped: new Set(), queue: Promise.resolve() });
  }

  /** Do a job when those before it are done; "stop" ends the job of the same id. */
  take({ id, what, given }) {
    if (what === "stop") return void this.stopped.add(id);
    this.queue = this.queue.then(async () => {
      try {
        this.answer({ id, value: await this[`do_${what}`](given, id) });
      } catch (error) {
        this.answer({ id, error: error.message });
      }
      this.stopped.delete(id);
    });
  }

  async do_begin({ stored }) {
    const bytes = await decoded(stored.weights, this.pause), tensors = {};
    const bits = new Uint16Array(bytes.buffer, 0, bytes.length >> 1); // little-endian, as all that runs this
    for (const [name, from, size] of stored.tensors) {
      tensors[name] = widened(bits.subarray(from, from + size));
      await this.pause();
    }
    this.net = new Network(stored.config, tensors);
    const merges = new DataView((await decoded(stored.vocabulary.merges, this.pause)).slice().buffer);
    this.tokenizer = tokenizerOf({ ...stored, vocabulary: { ...stored.vocabulary, merges } });
  }

  do_encode({ text }) { return this.tokenizer.encode(text); }
  do_decode({ ids }) { return this.tokenizer.decode(ids); }
  do_label({ ids }) { return ids.map((id) => this.tokenizer.label(id)); }

  /** Logits for the token after the last id; what is known from before is not read again. */
  async follow(ids, trace = null) {
    const { net, read } = this;
    let known = 0;
    if (!trace) while (known < ids.length - 1 && known < read.length && ids[known] === read[known]) known++;
    net.length = known;
    this.read = ids.slice(0, known);
    let hidden;
    for (let from = known; from < ids.length; from += PART) {
      const part = ids.slice(from, from + PART);
      hidden = net.read(part, trace);
      this.read.push(...part);
      await this.pause();
    }
    return net.logits(hidden.subarray(-net.config.d_model)).subarray(0, this.tokenizer.size);
  }

  async do_run({ ids, trace: wanted = false, top = 0, how = {} }) {
    if (!ids.length) throw new Error("ids must have at least one token");
    const { net, tokenizer } = this;
    this.fitting(ids.length);
    const trace = wanted ? net.newTrace(ids.length) : null;
    const logits = await this.follow(ids, trace);
    const found = { logits, next: this.likeliest(chances(logits), chances(logits, how), top) };
    return trace ? { ...found, trace, labels: ids.map((id) => tokenizer.label(id)) } : found;
  }

  /** The `top` likeliest tokens with their probability, and what they are drawn with. */
  likeliest(p, drawn, top) {
    if (!top) return [];
    return likeliestOf(p, Math.min(top, p.length)).map((id) => (
      { id, token: this.tokenizer.label(id), p: p[id], chance: drawn[id] }));
  }

  fitting(n) {
    const { n_ctx } = this.net.config;
    if (n > n_ctx) throw new Error(`${n} tokens do not fit: n_ctx=${n_ctx} is the longest text`);
  }

  async do_generate({ prompt, how }, job) {
    const { tokenizer, net } = this, { maxTokens = 200, seed = 0, top = 0 } = how;
    const ids = typeof prompt === "string" ? tokenizer.encode(prompt) : [...prompt];
    if (!ids.length) throw new Error("the prompt has no tokens: write at least one word");
    this.fitting(ids.length);
    const random = numbers(seed), complete = tokenizer.writer(ids), found = [];
    let text = "", why = "length";
    while (found.length < maxTokens) {
      if (this.stopped.has(job)) why = "stopped";
      else if (ids.length === net.config.n_ctx) why = "context";
      if (why !== "length") break;
      const logits = await this.follow(ids), drawn = chances(logits, how);
      const p = chances(logits), id = drawnBy(drawn, random()), next = this.likeliest(p, drawn, top);
      const ends = tokenizer.ends.has(id), piece = ends ? "" : complete(id);
      ids.push(id);
      found.push(id);
      text += piece;
      const token = { id, token: tokenizer.label(id), text: piece, p: p[id], chance: drawn[id], next };
      this.answer({ id: job, token });
      if (ends) {
        why = "end";
        break;
      }
    }
    return { text: text + complete(), ids: found, why };
  }

  /** What an explorer shows of a text: what Python's `_ask` gives, with the text's name. */
  async do_look({ kind, text, room = Infinity, top }) {
    const { net, tokenizer, pause } = this, ids = tokenizer.encode(text);
    if (!ids.length) throw new Error(`text=${quoted(text)} has no tokens`);
    const n = Math.min(ids.length, room, net.config.n_ctx), trace = net.newTrace(n);
    await this.follow(ids.slice(0, n), trace);
    return { name: nameOf(text), ...await lookOf(kind, { net, tokenizer, trace, ids, top, pause }) };
  }
}

/** A text without tokens, as Python's message has it: all of it is white space. */
const quoted = (text) => `'${JSON.stringify(text).slice(1, -1).replaceAll("\\u00", "\\x")}'`;
