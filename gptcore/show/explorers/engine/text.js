// Text to ids and back, in the page: what gptcore's Tokenizer gives, special tokens included, and
// what stands for a token in a picture.

import { encode, vocabularyOf } from "../shared/tokens.js";

const LONG_NAME = 48; // characters of a text that name it, as in shared/texts.py
// What Python's str.split() takes for white space.
const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const SPACES = new RegExp(`${SPACE}+`, "g"), EDGES = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
const ENDS_WORD = "</w>";
const textOf = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** The beginning of a text on one line: `name_of` of shared/texts.py. */
export function nameOf(text) {
  const line = [...text.replace(EDGES, "").replace(SPACES, " ")];
  const short = () => `${line.slice(0, LONG_NAME - 1).join("").replace(EDGES, "")}…`;
  return line.length <= LONG_NAME ? line.join("") : short();
}

/** A vocabulary that `pack` of engine.py wrote, with `encode`, `decode`, `label`, `writer`. */
export function tokenizerOf({ vocabulary: packed, rules, specials, ends }) {
  const vocabulary = vocabularyOf(packed), isWord = packed.kind === "word";
  const spelled = spellings(vocabulary, isWord);
  for (const [name, id] of Object.entries(specials))
    spelled[id] = isWord ? name : new TextEncoder().encode(name);
  const names = new Map(Object.entries(specials).map(([name, id]) => [id, name]));
  const escaped = Object.keys(specials).sort((a, b) => b.length - a.length)
    .map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  const special = escaped.length ? new RegExp(`(${escaped.join("|")})`) : null;

  const bytesOf = (ids) => Uint8Array.from(ids.flatMap((id) => [...spelled[id]]));
  return {
    size: packed.size, kind: packed.kind, ends: new Set(ends),
    /** Ids of a text; special tokens in it are recognised, as with allow_special=True. */
    encode(text) {
      const parts = special ? text.split(special) : [text];
      return parts.flatMap((part, i) => (
        i % 2 ? [specials[part]] : part ? encode(vocabulary, part, rules) : []));
    },
    decode(ids) {
      if (!isWord) return textOf(bytesOf(ids));
      return ids.map((id) => spelled[id]).join("").replaceAll(ENDS_WORD, " ").replace(/^ +| +$/g, "");
    },
    /** [text, kind] as the explorers draw it: `label` of shared/texts.py. */
    label(id) {
      if (id >= packed.size) return [`id ${id}`, "special"]; // vocabularies are padded
      if (names.has(id)) return [names.get(id), "special"];
      const found = isWord ? spelled[id] : wholeText(spelled[id]);
      if (found === "<unk>") return [found, "special"];
      if (found === null) return [[...spelled[id]].map(hexOf).join(" "), "bytes"];
      return [found.replaceAll(ENDS_WORD, isWord ? " " : ENDS_WORD), "text"];
    },
    /** What takes the next id, or none at the end, and gives the text that is complete with it. */
    writer(prompt) {
      if (!isWord) {
        const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
        return (id) => (id === undefined ? decoder.decode()
          : decoder.decode(bytesOf([id]), { stream: true }));
      }
      const ids = [...prompt];
      let told = this.decode(ids).length; // whether a space follows shows with the next token
      return (id) => {
        if (id === undefined) return "";
        ids.push(id);
        const all = this.decode(ids), piece = all.slice(told);
        told = all.length;
        return piece;
      };
    },
  };
}

const hexOf = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");

/** Bytes as text, or null where they are no whole characters. */
function wholeText(bytes) {
  try {
    return new TextDecoder("utf-8", { ignoreBOM: true, fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Id -> its bytes, or for words its characters; each merge joins what its two halves say. */
function spellings({ base, n, nBase, left, right, idOf }, isWord) {
  const said = base.map((one) => (isWord ? one : [one])), byId = [];
  for (let rank = 0; rank < n; rank++) {
    const [a, b] = [said[left[rank]], said[right[rank]]];
    said.push(isWord ? a + b : [...a, ...b]);
  }
  for (let symbol = 0; symbol < nBase + n; symbol++)
    byId[idOf(symbol)] = isWord ? said[symbol] : Uint8Array.from(said[symbol]);
  return byId;
}
