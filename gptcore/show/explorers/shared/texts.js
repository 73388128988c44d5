// Texts that an explorer runs through its model: the list of them, a box for the reader's own, and
// their tokens, [text, kind] each, with every space and unseen character visible.
//
// What the reader types is answered by Python where it is there (`live`), and in the built book by
// the engine, for a model that the course ships. Either way the answer is the trait `own`.

import { choose, count, h, later } from "./kit.js";

/** A text as [kind, what to show] with its spaces, line breaks and unseen characters visible. */
export function pieces(text) {
  return (text.match(/ +|\n|[\p{C}\p{Z}]|[^\p{C}\p{Z}]+/gu) ?? []).map((part) => {
    if (part[0] === " ") return ["space", "·".repeat(part.length)];
    if (part === "\n") return ["break", "↵"];
    if (!/^[\p{C}\p{Z}]/u.test(part)) return ["text", part];
    return ["unseen", `U+${part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`];
  });
}

/** A token as it is read aloud, or stands alone. */
export function spoken([text, kind]) {
  if (kind === "bytes") return `bytes ${text}`;
  const found = pieces(text), some = found.some(([what]) => what === "text");
  const names = some ? { space: " ", break: " " } : { space: "space", break: "line break" };
  const words = found.map(([what, sign]) => names[what] ?? sign);
  return words.join(some ? "" : " ").trim();
}

/** A token as it is called in a sentence: without its space, unless it is nothing else. */
export function called([text, kind]) {
  if (kind === "bytes") return text;
  const found = pieces(text), words = found.some(([what]) => what === "text");
  return found.map(([what, sign]) => (words && what === "space" ? " " : sign)).join("").trim();
}

/** What the tokens of a text are called; those that occur again have their position added. */
export function namesOf(tokens) {
  const names = tokens.map(called), times = new Map();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return names.map((name, i) => (times.get(name) > 1 ? `${name} (${i})` : name));
}

/** The signs of a token, its spaces and unseen characters visible; heard is what `spoken` says. */
export function signs([text, kind]) {
  if (kind !== "text") return [h("span", { class: `tx-${kind}` }, text)];
  const found = pieces(text), words = found.some(([what]) => what === "text");
  const shown = found.map(([what, sign]) => {
    const mute = words && what !== "unseen" ? { "aria-hidden": "true" } : {};
    return what === "text" ? sign : h("span", { class: `tx-${what}`, ...mute }, sign);
  });
  return words ? shown : alone(shown, [text, kind]);
}

/** What stands for a token without words, with a name for those who only hear it. */
const alone = (shown, token) => [h("span", { role: "img", "aria-label": spoken(token) }, ...shown)];

/** The signs of a token in running text, where a space is a space. */
export function running([text, kind]) {
  if (kind !== "text") return signs([text, kind]);
  if (/^ +$/.test(text)) return alone([text], [text, kind]);
  return signs([text, kind]).map((sign) => (
    sign.className === "tx-space" ? sign.textContent.replaceAll("·", " ") : sign));
}

/** The list of texts, the box for one's own where somebody answers it, and what is to be said. */
export function buildTexts(view, asks = true) {
  view.choice = h("select");
  view.box = h("textarea", { rows: 2, "aria-label": "Your own text", placeholder: "Your own text" });
  view.form = h("form", { class: "tx-form" }, view.box, h("button", { type: "submit" }, "Look at it"));
  view.form.hidden = !(asks && (view.model.get("live") || view.model.get("shipped")));
  view.note = h("p", { class: "gpt-quiet tx-note", role: "status" });
}

/** All texts there are, the reader's own behind the others. */
export function looksOf(model) {
  const own = model.get("own");
  return [...model.get("texts"), ...(own.tokens ? [own] : [])];
}

export function fillTexts({ choice, note, model, waiting }, { looks, text, look }) {
  choice.replaceChildren(...looks.map(({ name }, i) => h("option", { value: i }, name)));
  choice.value = text;
  const cut = look.of > look.tokens.length;
  note.textContent = waiting ?? model.get("own").error
    ?? (cut ? `The first ${count(look.tokens.length)} of ${count(look.of)} tokens.` : "");
}

/** Have the engine answer a text; `view.waiting` says meanwhile what is happening. */
async function askEngine(view, kind, asked) {
  const { model } = view, name = model.get("shipped"), mine = () => model.get("asked") === asked;
  const wait = (text) => {
    if (!mine()) return; // the reader has asked for another text since
    view.waiting = text;
    retell(view);
  };
  let own = { asked };
  try {
    wait(`Loading the model ${name}, ${model.get("megabytes")} MB, once for this page …`);
    const { load } = await self.gptModule("engine"), engine = await load(name);
    wait("The model reads …");
    const options = { room: model.get("room"), top: model.get("top") ?? 0 };
    Object.assign(own, await engine.look(kind, asked, options));
  } catch (error) {
    own = { asked, error: error.message };
  }
  wait(null);
  if (mine()) model.set("own", own);
}

/** An error and a wait are told although no text was added. */
function retell(view) {
  view.drawn.looks = 0;
  later(view);
}

/** `pick(i)` is called with the number of the text that the reader has chosen or typed; `kind` is
 *  what the engine calls what the explorer shows. */
export function listenToTexts(view, kind, pick) {
  const { model, choice, form, box } = view;
  choice.addEventListener("change", () => pick(+choice.value));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!box.value.trim()) return;
    choose(view, { asked: box.value });
    if (!model.get("live")) askEngine(view, kind, box.value);
  });
  const answered = () => {
    if (model.get("own").tokens) pick(model.get("texts").length);
    retell(view);
  };
  model.on("change:own", answered);
  return () => model.off("change:own", answered);
}
