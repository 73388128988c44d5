// Load an explorer's module the way a page does: from its text, with that of a script which it shares
// with others in the place of the import, whatever Node thinks of ".js". And read a twin's state.
import { readFileSync } from "node:fs";

const read = (name) =>
  readFileSync(new URL(`../../gptcore/show/static/${name}.js`, import.meta.url), "utf-8");

export async function load(name) {
  const shared = /^import \{[^{}]+\} from "\.\/(\w+)\.js";\n/gm;
  const text = Buffer.from(read(name).replace(shared, (_, other) => read(other)));
  return import(`data:text/javascript;base64,${text.toString("base64")}`);
}

/** What stands on the standard input, with its bytes as a DataView each. */
export function given() {
  return JSON.parse(readFileSync(0, "utf-8"), (_, value) => {
    if (typeof value?.base64 !== "string") return value;
    return new DataView(Uint8Array.from(Buffer.from(value.base64, "base64")).buffer);
  });
}
