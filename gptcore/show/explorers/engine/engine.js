// A shipped model in the reader's browser. The page loads this module when it is first asked for,
// once for all explorers: `const { load } = await self.gptModule("engine")`.
//
//   const model = await load("tales-gpt1", { told: (text) => {...} })  // told what is happening
//   model.config, model.size                        // the network's config; ids of the tokenizer
//   await model.encode(text)                        // -> ids, special tokens recognised
//   await model.label(ids)                          // -> [[text, kind], ...] as explorers draw it
//   await model.decode(ids)                         // -> text
//   await model.run(ids, { trace, top, how })       // -> { logits, next, trace? }: of the token
//       after the last id, next = [{ id, token: [text, kind], p, chance }], the `top` likeliest;
//       p by the model, chance after `how` (see drawing.js). With trace: true everything a forward
//       pass goes through, see `newTrace` of network.js, and `labels` of the ids.
//   await model.generate(prompt, how, onToken, signal)   // prompt: text or ids
//       how: { maxTokens (200), seed (0), temperature (1; 0 takes the likeliest), topK (0: all),
//              topP (1: all), rule ("textbook"), top (0) }; onToken({ id, token, text, p, chance,
//              next }) hears of each token, its text as far as its characters are complete and,
//              with top, of the `top` likeliest; signal: an AbortSignal.
//       -> { text, ids, why: "end" (of the text) | "length" | "context" (is full) | "stopped" }
//   await model.look(kind, text, { room, top })     // what the explorer `kind` shows of a text
//
// What was read is remembered: `run` and `generate` read only what their ids do not share with the
// text before, so to branch from another token costs one position. Jobs wait for each other.
//
// The work is done in a worker, made from this module's own text, and where a page may start none,
// on the page, a few milliseconds at a time. On both sides it is the same code.

import { Engine, pauser } from "./work.js";

const STARTING = 8000; // milliseconds after which a worker that says nothing is given up
const models = new Map(); // name -> promise of its Model

/** The model of a name, loaded once; `told` hears what is happening meanwhile. */
export function load(name, { told = () => {}, worker = true } = {}) {
  if (!models.has(name)) {
    const loading = fetched(name).then((stored) => Model.of(stored, worker));
    models.set(name, loading);
    loading.catch(() => models.delete(name)); // so that it can be tried again
  }
  told("loading");
  return models.get(name);
}

/** What the script model-NAME.js brings; it is appended when it is asked for. */
async function fetched(name) {
  const found = () => globalThis.gptModels?.get(name);
  if (!found()) await globalThis.gptScript(`model-${name}.js`);
  if (!found()) throw new Error(`model-${name}.js does not hold the model ${name}`);
  const stored = found();
  globalThis.gptModels.delete(name); // the text is large and is needed once
  return stored;
}

/** A model that answers, from a worker or from the page itself. */
class Model {
  static async of(stored, wanted) {
    const model = new Model();
    model.jobs = new Map();
    model.last = 0;
    model.config = stored.config;
    model.size = stored.vocabulary.size;
    const worker = wanted ? await started() : null;
    model.inWorker = worker !== null;
    if (worker) {
      worker.onmessage = ({ data }) => model.answered(data);
      worker.onerror = ({ message }) => model.failed(`the model's worker broke down: ${message}`);
      model.post = (job) => worker.postMessage(job);
    } else {
      const engine = new Engine(pauser(8), (answer) => model.answered(answer));
      model.post = (job) => engine.take(job);
    }
    await model.ask("begin", { stored });
    return model;
  }

  encode(text) { return this.ask("encode", { text }); }
  decode(ids) { return this.ask("decode", { ids }); }
  label(ids) { return this.ask("label", { ids }); }
  run(ids, options = {}) { return this.ask("run", { ids, ...options }); }
  look(kind, text, options) { return this.ask("look", { kind, text, ...options }); }
  generate(prompt, how = {}, onToken = () => {}, signal = null) {
    return this.ask("generate", { prompt, how }, onToken, signal);
  }

  ask(what, given, onToken = null, signal = null) {
    const id = (this.last += 1);
    const stop = () => this.post({ id, what: "stop" });
    return new Promise((resolve, reject) => {
      this.jobs.set(id, { resolve, reject, onToken, end: () => signal?.removeEventListener("abort", stop) });
      if (signal?.aborted) stop(); // heard before the job, so that it never begins
      else signal?.addEventListener("abort", stop, { once: true });
      this.post({ id, what, given });
    });
  }

  answered({ id, token, value, error }) {
    const job = this.jobs.get(id);
    if (!job) return;
    if (token !== undefined) return job.onToken(token);
    this.jobs.delete(id);
    job.end();
    if (error !== undefined) job.reject(new Error(error));
    else job.resolve(value);
  }

  failed(error) {
    for (const id of [...this.jobs.keys()]) this.answered({ id, error });
  }
}

/** A worker that has said that it is there, or null where a page may start none. */
function started() {
  const source = globalThis.gptExplorers?.get("engine");
  if (typeof Worker !== "function" || !source) return null;
  // From a disk a page may start a plain script as a worker, but no module.
  const plain = `(() => { "use strict";\n${source.replace(/^export (default )?/gm, "")}\n})();`;
  const address = URL.createObjectURL(new Blob([plain], { type: "text/javascript" }));
  return new Promise((resolve) => {
    const worker = new Worker(address);
    const end = (found) => {
      clearTimeout(late);
      if (!found) worker.terminate();
      resolve(found);
    };
    const late = setTimeout(() => end(null), STARTING);
    worker.onerror = (event) => {
      event.preventDefault();
      end(null);
    };
    worker.onmessage = () => end(worker);
  }).catch(() => null).finally(() => URL.revokeObjectURL(address));
}

if (typeof WorkerGlobalScope === "function" && globalThis instanceof WorkerGlobalScope) {
  const engine = new Engine(pauser(30), (answer) => postMessage(answer));
  globalThis.onmessage = ({ data }) => engine.take(data);
  postMessage("ready");
}

export default load;
