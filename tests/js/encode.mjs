// The ids of many texts by the playground's own script: JSON on stdin, JSON on stdout.
// { state, texts } -> [[ids of each text] of each vocabulary]; the state is the twin's.
import { given, load } from "./load.mjs";

const { encode, vocabularyOf } = await load("playground");
const { state, texts } = given();
const ids = state.vocabularies.map((packed) => {
  const vocabulary = vocabularyOf(packed);
  return texts.map((text) => encode(vocabulary, text, state.rules));
});
process.stdout.write(JSON.stringify(ids));
