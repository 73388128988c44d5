// What the engine makes of a model: JSON on stdin, JSON on stdout.
// { stored, asks: [[what, ...arguments], ...] } -> [answer or { error }, ...]; typed arrays as lists,
// a DataView as { base64 }. Generated tokens are heard under "heard".
import { load } from "./load.mjs";
import { readFileSync } from "node:fs";

const { load: loadModel } = await load("engine");
const { stored, asks } = JSON.parse(readFileSync(0, "utf-8"));
const keys = (_, value) => {
  if (value instanceof DataView) return { base64: Buffer.from(value.buffer).toString("base64") };
  return ArrayBuffer.isView(value) ? [...value] : value;
};
globalThis.gptModels = new Map([["it", stored]]);
const answers = [];
try {
  const model = await loadModel("it");
  for (const [what, ...rest] of asks) {
    const heard = [];
    try {
      const value = what === "generate" ? await model.generate(...rest, (token) => heard.push(token))
        : await model[what](...rest);
      answers.push(what === "generate" ? { ...value, heard } : value);
    } catch (error) {
      answers.push({ error: error.message });
    }
  }
} catch (error) {
  answers.push({ error: error.message });
}
process.stdout.write(JSON.stringify(answers, keys));
