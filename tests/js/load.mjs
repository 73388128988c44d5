// Load an explorer's module the way a page does: from its text, whatever Node thinks of ".js".
import { readFileSync } from "node:fs";

export async function load(name) {
  const file = new URL(`../../gptcore/show/static/${name}.js`, import.meta.url);
  const text = readFileSync(file).toString("base64");
  return import(`data:text/javascript;base64,${text}`);
}
