// Load an explorer's module the way a page does: the texts of its scripts as one, each behind what
// it imports, whatever Node thinks of ".js". And read a twin's state.
import { readFileSync } from "node:fs";

const IMPORT = /^import \{[^{}]+\} from "(\.\.?\/[\w./]+\.js)";\n/gm;

/** The text of a script, with those it imports before it, once each. */
function text(address, seen = new Set()) {
  if (seen.has(address.href)) return "";
  seen.add(address.href);
  const own = readFileSync(address, "utf-8");
  const others = [...own.matchAll(IMPORT)].map((found) => text(new URL(found[1], address), seen));
  return [...others, own.replace(IMPORT, "")].join("");
}

/** The module of an explorer; or, by its address under `explorers`, any script. */
export async function load(name) {
  const path = name.endsWith(".js") ? name : `${name}/${name}.js`;
  const whole = text(new URL(`../../gptcore/show/explorers/${path}`, import.meta.url));
  return import(`data:text/javascript;base64,${Buffer.from(whole).toString("base64")}`);
}

/** What stands on the standard input, with its bytes as a DataView each. */
export function given() {
  return JSON.parse(readFileSync(0, "utf-8"), (_, value) => {
    if (typeof value?.base64 !== "string") return value;
    return new DataView(Uint8Array.from(Buffer.from(value.base64, "base64")).buffer);
  });
}
