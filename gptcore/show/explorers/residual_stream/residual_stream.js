// The residual stream, read through the output matrix: for each position (down) and depth (across)
// the tokens on top. Depth 0 is the sum of embeddings, depth l + 1 the stream after layer l.

import {
  button, choose, count, h, hit, idFor, later, mount, pointing, rgb, say, unseen, within,
} from "../shared/kit.js";
import {
  buildTexts, fillTexts, listenToTexts, looksOf, running, signs, spoken,
} from "../shared/texts.js";
import {
  contextFrom, pixels, placeFor, reading, scale, strengths, truth, verdict, visible, where, written,
} from "./readings.js";

export const SHADES = {
  top: "the token on top",
  true: "the true next token",
  rank: "the rank of the true next token",
  itself: "the token just read",
  entropy: "how sure it is",
};
const MANY = 8; // depths from which the columns have only numbers over them
const CONTEXT = 48; // characters shown before the position

const percent = (share) => `${Math.round(100 * share)}%`;
const nameOf = (depth) => (depth ? `layer ${depth - 1}` : "embedding");
const shortName = (depth) => (depth ? nameOf(depth) : "embed.");
const wash = (share) => (
  `color-mix(in srgb, var(--gpt-heat) ${(46 * share).toFixed(1)}%, transparent)`);

// ---------------------------------------------------------------- the page

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, peek: null, pin: null, drawn: {}, rows: new Map(), open: new Map() };
  view.score = { right: 0, of: 0 };
  view.id = idFor("residual");
  buildTexts(view);
  view.shade = h("select");
  for (const [value, text] of Object.entries(SHADES)) view.shade.append(h("option", { value }, text));
  buildGrid(view);
  buildPanel(view);
  view.legend = h("p", { class: "rs-legend" });
  view.notice = h("p", { class: "gpt-quiet" });
  view.said = unseen();
  const controls = h("div", { class: "rs-controls" });
  controls.append(h("label", {}, "Text ", view.choice), h("label", {}, "Shade by ", view.shade));
  view.root = h("div", { class: "gpt-explorer gpt-residual" });
  view.root.append(controls, view.form, view.note);
  view.root.append(h("div", { class: "rs-both" }, h("div", {}, view.stage, view.legend), view.panel));
  view.root.append(view.notice, view.said);
  view.root.classList.toggle("rs-many", view.depths >= MANY);
  view.update = () => update(view);
  return view;
}

/** The grid: a line of headings, the rows, the lines of means; beside it the whole text. */
function buildGrid(view) {
  const depths = (view.depths = view.model.get("n_layer") + 1);
  const label = "Readings; up and down choose the position, left and right the depth, P pins";
  view.scroll = h("div", { class: "rs-scroll", role: "grid", tabindex: 0, "aria-label": label });
  const many = depths >= MANY;
  view.heads = Array.from({ length: depths }, (_, depth) => {
    const name = many ? (depth ? `${depth - 1}` : "emb.") : shortName(depth);
    const head = h("span", { role: "columnheader" }, name);
    head.ariaLabel = nameOf(depth);
    return head;
  });
  view.head = h("div", { class: "rs-line rs-head", role: "row", "aria-rowindex": 1 });
  view.head.append(h("span", { role: "columnheader" }, many ? "layer" : "read"), ...view.heads);
  view.head.append(h("span", { class: "rs-next", role: "columnheader" }, "then"));
  view.body = h("div", { class: "rs-rows", role: "rowgroup" });
  view.foot = h("div", { class: "rs-foot", role: "rowgroup" });
  view.scroll.append(view.head, view.body, view.foot);
  view.picture = h("canvas");
  view.port = h("div", { class: "rs-port" });
  view.map = h("div", { class: "rs-map", "aria-hidden": "true" }, view.picture, view.port);
  view.stage = h("div", { class: "rs-stage" }, view.scroll, view.map);
  view.stage.style.setProperty("--depths", depths);
}

/** Beside the grid: the guess, the reading that is chosen, and the one that is pinned. */
function buildPanel(view) {
  view.ask = h("p", {});
  view.options = h("div", { class: "rs-options", role: "group", "aria-label": "Your guess" });
  view.buttons = Array.from({ length: view.depths + 1 }, (_, i) => {
    const made = button(i < view.depths ? nameOf(i) : "nowhere");
    made.dataset.guess = i < view.depths ? i : -1;
    return made;
  });
  view.options.append(...view.buttons);
  view.verdict = h("p", { class: "rs-verdict", role: "status" });
  view.another = button("Another position");
  view.cover = button("");
  view.guess = h("div", { class: "rs-guess" }, view.ask, view.options, view.verdict);
  view.guess.append(h("div", { class: "rs-options" }, view.another, view.cover));
  view.title = h("p", { class: "rs-title" });
  view.context = h("p", { class: "rs-context", dir: "ltr" });
  view.tops = h("ol");
  view.sides = h("p", { class: "rs-sides", "aria-hidden": "true" });
  view.facts = h("div", { class: "rs-facts" });
  view.through = h("div", { class: "rs-through", role: "table", "aria-label": "Through the layers" });
  view.pinIt = button("Pin to compare");
  view.pinTitle = h("p", { class: "rs-title" });
  view.drop = button("Let go"); // stays: a button that is drawn anew under a press is not clicked
  view.drop.className = "rs-drop";
  view.compared = h("div");
  const names = h("div", { class: "rs-names" }, view.pinTitle, view.drop);
  view.pinned = h("div", { class: "rs-pinned" }, names, view.compared);
  view.details = h("div", { class: "rs-details" }, view.sides, view.tops, view.facts);
  view.details.append(view.through, view.pinIt);
  view.panel = h("div", { class: "rs-panel" }, view.guess, view.title, view.context, view.details);
  view.panel.append(view.pinned);
}

/** What is chosen now, whatever the model holds. */
function chosen({ model, depths, peek }) {
  const looks = looksOf(model);
  const text = within(model.get("text"), looks.length);
  const look = looks[text], size = look.tokens.length;
  const token = within(peek?.token ?? model.get("token"), size);
  const depth = within(peek?.depth ?? model.get("depth"), depths);
  return { looks, text, look, size, token, depth };
}

const kept = (view) => chosen({ ...view, peek: null });
const read = ({ model, depths }, look, token, depth) =>
  reading(look, model.get("top"), depths, token, depth);
const covers = ({ model, open }, token, depth) =>
  depth > 0 && model.get("covered") && !open.has(token);
const ranksOf = (view, look, token) =>
  view.heads.map((_, depth) => read(view, look, token, depth).rank);

/** Bring the page to what is chosen; only what has changed is drawn again. */
function update(view) {
  const { drawn, model } = view, now = chosen(view);
  const fresh = drawn.look !== now.look;
  if (drawn.looks !== now.looks.length || fresh) fillTexts(view, now);
  if (fresh) startText(view, now);
  const covered = model.get("covered");
  const by = view.shade.value, state = `${by} ${covered} ${view.open.size}`;
  const redrawn = fresh || drawn.state !== state;
  if (fresh || drawn.by !== by)
    drawn.shades = strengths(now.look, model.get("top"), view.depths, by, model.get("vocab_size"));
  Object.assign(drawn, { looks: now.looks.length, look: now.look, by, state });
  if (redrawn) {
    fillFoot(view, now);
    fillLegend(view, now);
  }
  measure(view); // here, where little has been written that the page would have to lay out for it
  follow(view);
  fillRows(view, now);
  mark(view, now);
  if (redrawn) paint(view);
  const told = [now.look, now.token, now.depth, kept(view).token, view.pin, state];
  if (told.every((part, i) => part === drawn.told?.[i])) return; // the grid was scrolled
  drawn.told = told;
  fillGuess(view);
  fillPanel(view, now);
  tell(view, now);
}

/** Heights in pixels: of a row, and of the room in which rows are seen. */
function measure(view) {
  const { scroll, head, foot } = view, above = head.offsetHeight;
  view.row = above || 28; // 0: not on the page yet
  view.room = scroll.clientHeight - above - foot.offsetHeight;
}

function startText(view, { size, look }) {
  view.peek = null;
  view.open.clear();
  view.body.replaceChildren();
  view.rows.clear();
  view.body.style.height = `calc(${size} * var(--row))`;
  view.scroll.ariaRowCount = size + 1 + look.facts[0].length;
  view.drawn.followed = null;
}

/** Scroll to the position that is chosen, when it is another one. */
function follow(view) {
  const { scroll, drawn, row, room } = view, { token } = kept(view);
  const fresh = drawn.followed === null || drawn.row !== row;
  if ((drawn.followed === token && !fresh) || room <= 0) return;
  Object.assign(drawn, { followed: token, row });
  const top = token * row;
  if (fresh) scroll.scrollTop = top - (room - row) / 2;
  scroll.scrollTop = Math.min(top, Math.max(scroll.scrollTop, top + row - room));
}

/** Draw the rows that are seen, and a few more; those that stay as they are, stay. */
function fillRows(view, { look, size }) {
  const { scroll, body, rows, drawn } = view, top = scroll.scrollTop, height = size * view.row;
  view.port.style.top = `${(100 * top) / height}%`;
  view.port.style.height = `${Math.min(100, (100 * view.room) / height)}%`;
  const [from, to] = visible(top, view.room, view.row, size);
  for (const [token, row] of rows)
    if (token < from || token >= to) {
      row.remove();
      rows.delete(token);
    }
  for (let token = from; token < to; token++) {
    const covered = `${covers(view, token, 1)}`;
    let row = rows.get(token);
    if (!row) {
      row = h("div", { class: "rs-line", role: "row", "aria-rowindex": token + 2 });
      row.style.top = `calc(${token} * var(--row))`;
      row.dataset.token = token;
      rows.set(token, row);
      body.append(row);
    }
    if (row.dataset.covered !== covered) fillRow(view, row, look, token);
    if (row.dataset.covered !== covered || row.dataset.by !== drawn.by) shadeRow(view, row, token);
    Object.assign(row.dataset, { covered, by: drawn.by });
  }
}

function fillRow(view, row, look, token) {
  const next = truth(look, token);
  const cells = view.heads.map((_, depth) => {
    const cell = h("span", { class: "rs-cell", role: "gridcell", id: `${view.id}-${token}-${depth}` });
    cell.dataset.depth = depth;
    if (covers(view, token, depth)) {
      cell.classList.add("rs-covered");
      cell.ariaLabel = "covered";
      return cell;
    }
    const found = read(view, look, token, depth), name = look.names[found.names[0]];
    const right = next && found.rank === 1;
    cell.append(...signs(name));
    cell.classList.toggle("rs-right", Boolean(right));
    cell.setAttribute("aria-description", `${written(found.p[0])}${right ? ", true" : ""}`);
    return cell;
  });
  const name = h("span", { class: "rs-name", role: "rowheader" }, ...signs(look.tokens[token]));
  const then = h("span", { class: "rs-next", role: "gridcell" }, ...(next ? signs(next) : []));
  row.replaceChildren(name, ...cells, then);
}

function shadeRow(view, row, token) {
  const { depths, drawn } = view;
  for (let depth = 0; depth < depths; depth++)
    if (!covers(view, token, depth))
      row.children[depth + 1].style.backgroundColor = wash(drawn.shades[token * depths + depth]);
}

/** Which cell is chosen and which one is pinned. */
function mark(view, { look, token, depth }) {
  const { rows, heads, scroll, pin } = view;
  const at = (name, place) => {
    for (const cell of scroll.querySelectorAll(`.${name}`)) cell.classList.remove(name);
    const cell = rows.get(place?.token)?.children[place.depth + 1];
    cell?.classList.add(name);
    return cell;
  };
  at("rs-pin", pin?.look === look ? pin : null);
  for (const cell of scroll.querySelectorAll("[aria-selected=true]")) cell.ariaSelected = "false";
  const cell = at("rs-chosen", { token, depth });
  if (cell) {
    cell.ariaSelected = "true";
    scroll.setAttribute("aria-activedescendant", cell.id);
  }
  for (const row of scroll.querySelectorAll(".rs-line.rs-at")) row.classList.remove("rs-at");
  rows.get(token)?.classList.add("rs-at");
  for (const [i, head] of heads.entries()) head.classList.toggle("rs-at", i === depth);
}

/** Under the grid: what holds on average over the positions. */
function fillFoot(view, { look }) {
  const covered = view.model.get("covered");
  const lines = [["read on top", percent], ["next on top", percent], ["next: −ln p", (x) => x.toFixed(2)]];
  view.foot.replaceChildren(...look.facts[0].map((_, i) => {
    const [name, text] = lines[i];
    const cells = look.facts.map((facts, depth) => {
      const hidden = covered && depth > 0;
      return h("span", { role: "gridcell" }, hidden ? "" : text(facts[i]));
    });
    return h("div", { class: "rs-line", role: "row" }, h("span", { role: "rowheader" }, name), ...cells);
  }));
}

function fillLegend({ legend, notice, shade, model }, { look }) {
  const by = shade.value, unit = { rank: "rank", entropy: "nats" }[by] ?? "probability";
  const steps = scale(by, model.get("vocab_size")).map(([text, share]) => {
    const box = h("i");
    box.style.backgroundColor = wash(share);
    return h("span", {}, box, text);
  });
  const right = h("span", {}, h("b", { class: "rs-right" }, "token"), "is the true next one");
  legend.replaceChildren(unit, ...steps, right);
  const [first, last] = [look.facts[0], look.facts.at(-1)];
  let text = "Training reads only the last column; the others are read as if the network ended "
    + "there. The lines under the grid are means over all positions, −ln p in nats.";
  if (!model.get("covered")) {
    text += " What to notice: the token just read is on top at "
      + `${percent(first[0])} of positions in the embedding and ${percent(last[0])} after the last layer`;
    text += first.length > 1
      ? `; the true next token at ${percent(first[1])} and ${percent(last[1])}.` : ".";
  }
  notice.textContent = text;
}

// ---------------------------------------------------------------- the guess

function fillGuess(view) {
  const { model, ask, options, another, cover, open, score } = view;
  const { look, token } = kept(view), next = truth(look, token);
  const covered = model.get("covered"), done = open.get(token);
  for (const part of [ask, options]) part.hidden = !covered;
  view.guess.classList.toggle("rs-asking", covered);
  another.hidden = !covered || done === undefined;
  view.verdict.hidden = !covered || done === undefined;
  cover.textContent = covered ? "Show everything" : "Cover the layers and guess";
  if (!covered) return;
  for (const button of view.buttons) {
    button.disabled = !next || done !== undefined;
    button.ariaPressed = `${done?.guess === +button.dataset.guess}`;
  }
  ask.replaceChildren(...(next
    ? [h("b", {}, "Guess first. "), "Then came ", h("q", {}, ...signs(next)), ". Where is it first on top?"]
    : ["The text ends here: nothing came then. Choose another position."]));
  const tally = score.of > 1 ? ` ${score.right} of ${score.of} right so far.` : "";
  view.verdict.textContent = done ? done.text + tally : "";
}

function guessed(view, guess) {
  const { look, token } = kept(view);
  if (view.open.has(token) || !truth(look, token)) return;
  const found = verdict(ranksOf(view, look, token), guess);
  view.open.set(token, { guess, ...found });
  view.score.of += 1;
  view.score.right += found.right;
  view.peek = null;
  later(view);
}

/** The next position that has not been guessed, from the start again behind the last. */
function another(view) {
  const { look, size, token } = kept(view);
  for (let step = 1; step < size; step++) {
    const at = (token + step) % size;
    if (!view.open.has(at) && truth(look, at)) return choose(view, { token: at });
  }
}

// ---------------------------------------------------------------- the reading that is chosen

function fillPanel(view, { look, token, depth }) {
  const { title, context, details, pinIt } = view;
  title.textContent = depth ? `After layer ${depth - 1}` : "Embedding";
  title.append(h("span", {}, ` position ${count(token)}`));
  fillContext(context, look, token);
  const hidden = covers(view, token, depth);
  details.hidden = hidden;
  pinIt.hidden = hidden;
  if (!hidden) {
    fillTops(view, look, token, depth);
    fillFacts(view, look, token, depth);
    fillThrough(view, look, token, depth);
  }
  fillPinned(view, { look, token, depth }, hidden);
}

function fillContext(context, look, token) {
  const from = contextFrom(look.tokens, token, CONTEXT), next = truth(look, token);
  const before = look.tokens.slice(from, token).flatMap(running);
  context.replaceChildren(from ? "… " : "", ...before, h("b", {}, ...signs(look.tokens[token])));
  if (next) context.append(" → ", h("span", { class: "rs-true" }, ...signs(next)));
}

const line = (name, p, right, ...rest) => {
  const bar = h("i");
  bar.style.setProperty("--share", p);
  return h("li", right ? { class: "rs-right" } : {}, h("span", { class: "rs-name" }, ...signs(name)), bar,
    h("b", {}, written(p)), ...rest);
};

/** The likeliest tokens here, with what the neighbouring depths give them. */
function fillTops({ model, tops, sides, depths, ...view }, look, token, depth) {
  const found = read({ model, depths }, look, token, depth), next = truth(look, token);
  const side = (there, p) => h("span", { class: "rs-side" }, there ? written(p) : "");
  const earlier = depth > 0, further = depth < depths - 1;
  tops.replaceChildren(...found.names.map((place, i) => {
    const right = next && found.rank === i + 1 && `${look.names[place]}` === `${next}`;
    const beside = [side(earlier, found.before[i]), side(further, found.after[i])];
    return line(look.names[place], found.p[i], right, ...beside);
  }));
  const name = (there, at) => h("span", {}, there ? shortName(at) : "");
  sides.replaceChildren(h("span", {}, "likeliest"), h("span", {}, "here"),
    name(earlier, depth - 1), name(further, depth + 1));
}

function fillFacts(view, look, token, depth) {
  const found = read(view, look, token, depth), next = truth(look, token);
  const fact = (name, value) => h("div", {}, h("span", {}, name), h("b", {}, value));
  const of = ([rank, p]) => `rank ${count(rank)}, p ${written(p)}`;
  view.facts.replaceChildren(
    fact("true next token", next ? of([found.rank, found.true]) : "none"),
    fact("token just read", of([found.itselfRank, found.itself])),
    fact("entropy", `${found.entropy.toFixed(2)} nats`),
    fact("exp(entropy)", count(+Math.exp(found.entropy).toPrecision(3))),
  );
}

/** The same position at every depth. */
function fillThrough(view, look, token, depth) {
  const next = truth(look, token);
  const row = (role, cells, name = "") => h("div", { role: "row", class: name },
    ...cells.map((cell) => h("span", { role }, ...[cell].flat())));
  const lines = view.heads.map((_, at) => {
    const found = read(view, look, token, at), top = signs(look.names[found.names[0]]);
    const known = next ? [count(found.rank), written(found.true)] : ["–", "–"];
    const name = `${at === depth ? "rs-at " : ""}${next && found.rank === 1 ? "rs-right" : ""}`;
    return row("cell", [nameOf(at), top, ...known, found.entropy.toFixed(2)], name);
  });
  const heads = ["", "on top", "rank", "p of next", "nats"];
  view.through.replaceChildren(row("columnheader", heads, "rs-names"), ...lines);
}

/** The pinned reading beside the chosen one. */
function fillPinned(view, now, hidden) {
  const { pin, pinned, pinTitle, compared, pinIt } = view;
  pinIt.textContent = pin ? "Pin this one instead" : "Pin to compare";
  pinned.hidden = !pin;
  if (!pin) return;
  const there = read(view, pin.look, pin.token, pin.depth), name = pin.look.tokens[pin.token];
  pinTitle.replaceChildren("Pinned: ", h("q", {}, ...signs(name)), ` ${where(pin.depth)}`);
  const found = hidden ? null : read(view, now.look, now.token, now.depth);
  const same = pin.look === now.look && pin.token === now.token;
  const change = (label, a, b) =>
    h("div", {}, h("span", {}, label), h("b", {}, a), " → ", h("b", {}, b));
  const [was, is] = [truth(pin.look, pin.token), truth(now.look, now.token)];
  const list = h("ol", {}, ...there.names.map((place, i) => line(pin.look.names[place], there.p[i])));
  const changes = h("div", { class: "rs-changes" });
  if (found) {
    const nothing = "–", known = (next, text) => (next ? text : nothing);
    changes.append(
      change("rank of the true next", known(was, count(there.rank)), known(is, count(found.rank))),
      change("its probability", known(was, written(there.true)), known(is, written(found.true))),
      change("entropy in nats", there.entropy.toFixed(2), found.entropy.toFixed(2)),
      h("p", { class: "gpt-quiet" }, shared(pin.look, there, now.look, found)),
    );
  }
  const head = h("p", { class: "gpt-quiet" }, same ? "From the pinned depth to this one"
    : "From the pinned reading to this one");
  compared.replaceChildren(list, head, changes);
}

/** Which tokens are among the likeliest in both readings. */
function shared(lookA, a, lookB, b) {
  const names = new Set(a.names.map((place) => `${lookA.names[place]}`));
  const both = b.names.filter((place) => names.has(`${lookB.names[place]}`));
  const words = both.map((place) => spoken(lookB.names[place])).join(", ");
  return both.length ? `In both lists: ${words}.` : "The lists share no token.";
}

/** What is chosen, as it is read aloud. */
function tell(view, { look, token, depth }) {
  let text = `Position ${token}, ${spoken(look.tokens[token])}, ${where(depth)}. `;
  if (covers(view, token, depth)) text += "Covered.";
  else {
    const found = read(view, look, token, depth), next = truth(look, token);
    const list = found.names.map((at, i) => `${spoken(look.names[at])} ${written(found.p[i])}`);
    text += `Likeliest: ${list.join(", ")}. `;
    if (next) text += `The true next token, ${spoken(next)}, has rank ${count(found.rank)}`
      + ` and probability ${written(found.true)}. `;
    text += `Entropy ${found.entropy.toFixed(2)} nats.`;
  }
  say(view, text);
}

/** The whole text beside the grid, in the colours that the page has now. */
function paint(view) {
  if (!view.root.isConnected) return; // the first ResizeObserver call comes when it is
  const { size } = kept(view), { depths, map, picture } = view;
  map.hidden = size * view.row <= 3 * view.room; // the grid shows enough of it
  if (map.hidden) return;
  map.style.marginTop = `${view.row}px`;
  map.style.height = `${view.room}px`;
  view.palette ??= ["--gpt-heat", "--gpt-surface-2"].map((name) => rgb(view, name));
  const covered = (i) => covers(view, Math.floor(i / depths), i % depths);
  picture.width = depths;
  picture.height = size;
  const image = new ImageData(pixels(view.drawn.shades, covered, ...view.palette), depths);
  picture.getContext("2d").putImageData(image, 0, 0);
}

// ---------------------------------------------------------------- what the reader does

function chooseText(view, text) {
  choose(view, { text });
  choose(view, { token: Math.floor((2 * chosen(view).size) / 3) });
}

function pinCell(view) {
  const { look, token, depth } = chosen(view);
  if (covers(view, token, depth)) return;
  view.pin = { look, token, depth };
  later(view);
}

function onGridKey(view, event) {
  const { token, depth, size } = kept(view);
  if (["p", "P", "Enter", " "].includes(event.key) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    view.peek = null;
    return pinCell(view);
  }
  if (event.key === "Escape" && view.pin) {
    view.pin = null;
    return later(view);
  }
  const next = placeFor(event, { token, depth }, size, view.depths);
  if (!next || event.altKey || event.metaKey) return;
  event.preventDefault();
  view.peek = null;
  choose(view, next);
}

/** The cell under an event; null beside them, where a row has its name and the true next token. */
function cellOf(event) {
  const cell = hit(event, ".rs-cell");
  return cell && { token: +cell.parentElement.dataset.token, depth: +cell.dataset.depth };
}

function listenToPointer(view) {
  const { scroll, body, map } = view;
  const show = (cell) => {
    view.peek = cell && !covers(view, cell.token, cell.depth) ? cell : null;
    later(view);
  };
  pointing(body, { under: cellOf, show, keep: (cell) => choose(view, cell), over: "pointerover" });
  body.addEventListener("click", (event) => {
    const row = hit(event, ".rs-line");
    if (row && !cellOf(event)) choose(view, { token: +row.dataset.token });
  });
  scroll.addEventListener("scroll", () => later(view), { passive: true });
  const go = (event) => {
    const { top, height } = map.getBoundingClientRect(), { size } = kept(view);
    const middle = ((event.clientY - top) / height) * size * view.row;
    scroll.scrollTop = middle - height / 2;
  };
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    go(event);
  });
  map.addEventListener("pointermove", (event) => event.buttons && go(event));
}

function listen(view) {
  const { model, scroll, shade, options, cover, pinIt, drop } = view;
  listenToPointer(view);
  scroll.addEventListener("keydown", (event) => onGridKey(view, event));
  shade.addEventListener("change", () => later(view));
  options.addEventListener("click", (event) => {
    const guess = hit(event, "button")?.dataset.guess;
    if (guess !== undefined) guessed(view, +guess);
  });
  view.another.addEventListener("click", () => another(view));
  cover.addEventListener("click", () => {
    view.open.clear();
    choose(view, { covered: !model.get("covered") });
  });
  pinIt.addEventListener("click", () => pinCell(view));
  drop.addEventListener("click", () => {
    view.pin = null;
    view.scroll.focus();
    later(view);
  });
  return listenToTexts(view, "residual_stream", (text) => chooseText(view, text));
}

export default {
  render({ model, el }) {
    const view = build(model), silence = listen(view);
    const repaint = () => {
      view.palette = null; // the theme may have changed
      measure(view);
      paint(view);
      later(view);
    };
    const traits = ["texts", "text", "token", "depth", "covered"];
    const end = mount(el, view, { traits, resized: repaint, painted: repaint });
    return () => {
      silence();
      end();
    };
  },
};
