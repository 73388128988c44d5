// The rows of many examples by the input layout's own script: JSON on stdin, JSON on stdout.
// { state, examples: [{ vocabulary, task, texts, nCtx, part, full }] } -> for each of them
// [padded ids, targets, positions that are read] of its rows, or what is wrong with it.
import { given, load } from "./load.mjs";

const { example, tokensOf, vocabularyOf } = await load("input_layout");
const { state, examples } = given();
const vocabularies = state.vocabularies.map(vocabularyOf);
const answer = ({ vocabulary, texts, ...rest }) => {
  const lanes = texts.map((text) => tokensOf(vocabularies[vocabulary], text, state.rules));
  try {
    const { marks } = state.vocabularies[vocabulary];
    const { rows } = example({ ...rest, lanes, marks });
    return [rows.map((row) => row.padded), rows.map((row) => row.targets), rows.map((row) => row.at)];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return error.message;
  }
};
process.stdout.write(JSON.stringify(examples.map(answer)));
