// The ids of many texts by the playground's own script: JSON on stdin, JSON on stdout.
// { state, texts } -> [[ids of each text] of each vocabulary]; the state is the twin's.
import { readFileSync } from "node:fs";
import { load } from "./load.mjs";

const { encode, vocabularyOf } = await load("playground");
const revive = (_, value) => {
  if (typeof value?.base64 !== "string") return value;
  return new DataView(Uint8Array.from(Buffer.from(value.base64, "base64")).buffer);
};
const { state, texts } = JSON.parse(readFileSync(0, "utf-8"), revive);
const ids = state.vocabularies.map((packed) => {
  const vocabulary = vocabularyOf(packed);
  return texts.map((text) => encode(vocabulary, text, state.rules));
});
process.stdout.write(JSON.stringify(ids));
