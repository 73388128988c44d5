// The residual stream, read through the output matrix: for each position (down) and depth (across)
// the tokens on top. Depth 0 is the sum of embeddings, depth l + 1 the stream after layer l.
//
// A reading is 4 K + 5 numbers of two bytes: K places in the list of names; the K probabilities
// here, one depth earlier, one later; rank and probability of the true next token, then of the
// token just read; entropy. A probability is 65,535 √p, an entropy thousandths of a nat.

export const SHADES = {
  top: "the token on top",
  true: "the true next token",
  rank: "the rank of the true next token",
  itself: "the token just read",
  entropy: "how sure it is",
};
const MANY = 8; // depths from which the columns have only numbers over them
const SPARE = 2; // rows drawn above and below those that are seen
const CONTEXT = 48; // characters shown before the position
const GUESSES = 9; // positions that a page key moves over

// ---------------------------------------------------------------- numbers

/** What is read at a position and depth of a look; `top` is K. */
export function reading({ numbers }, top, depths, token, depth) {
  const first = (token * depths + depth) * (4 * top + 5);
  const at = (i) => numbers.getUint16(2 * (first + i), true);
  const share = (i) => (at(i) / 65535) ** 2;
  const all = (from, get) => Array.from({ length: top }, (_, i) => get(from + i));
  return {
    names: all(0, at),
    p: all(top, share),
    before: all(2 * top, share),
    after: all(3 * top, share),
    rank: at(4 * top),
    true: share(4 * top + 1),
    itselfRank: at(4 * top + 2),
    itself: share(4 * top + 3),
    entropy: at(4 * top + 4) / 1000,
  };
}

/** The token that truly follows a position, or null where the text ends. */
export const truth = ({ tokens, next }, token) => tokens[token + 1] ?? next;

/** How strongly a probability, rank or entropy is shaded, 0 to 1. */
export function strength(by, value, vocabulary) {
  const spread = Math.log(vocabulary) || 1;
  if (by === "rank") return 1 - Math.log(value) / spread;
  if (by === "entropy") return Math.max(0, 1 - value / spread);
  return Math.sqrt(value); // a root, so that small probabilities are seen
}

/** The strength of every reading of a look, position by position. */
export function strengths({ numbers, tokens }, top, depths, by, vocabulary) {
  const place = { top, true: 4 * top + 1, rank: 4 * top, itself: 4 * top + 3, entropy: 4 * top + 4 };
  const unit = { rank: (x) => x, entropy: (x) => x / 1000 }[by] ?? ((x) => (x / 65535) ** 2);
  return Float32Array.from({ length: tokens.length * depths }, (_, i) => {
    const number = numbers.getUint16(2 * (i * (4 * top + 5) + place[by]), true);
    return strength(by, unit(number), vocabulary);
  });
}

/** The scale under the grid: [what is written, its strength]. */
export function scale(by, vocabulary) {
  const steps = { rank: [1, 10, 100, 1000], entropy: [0, 2, 4, 6] }[by] ?? [0.01, 0.1, 0.3, 1];
  const most = { rank: vocabulary, entropy: Math.log(vocabulary) }[by] ?? 1;
  return steps
    .filter((value) => value <= most)
    .map((value) => [`${value}`, strength(by, value, vocabulary)]);
}

/** The first depth at which the true next token is on top, or -1. */
export const firstOnTop = (ranks) => ranks.indexOf(1);

/** Where a depth is, as part of a sentence. */
export const where = (depth) => (depth ? `after layer ${depth - 1}` : "in the embedding");

/** What to answer to a guess; -1 is the guess "nowhere". */
export function verdict(ranks, guess) {
  const first = firstOnTop(ranks), last = ranks.length - 1, count = (n) => n.toLocaleString("en");
  const right = first === guess;
  const end = `after the last layer its rank is ${count(ranks[last])}`;
  let text = `It is nowhere on top; ${end}.`;
  if (first >= 0) {
    const stays = ranks.slice(first).every((rank) => rank === 1);
    text = `It is first on top ${where(first)}`;
    text += first === last ? "." : stays ? ", and stays there." : `, but does not stay; ${end}.`;
  }
  const off = Math.abs(first - guess), steps = off === 1 ? "one step" : `${off} steps`;
  const side = guess < first ? "early" : "late";
  let yours = right ? "Your guess was right." : `Your guess was ${steps} too ${side}.`;
  if (!right && Math.min(guess, first) < 0)
    yours = `Your guess was ${guess < 0 ? "nowhere" : where(guess)}.`;
  return { right, text: `${text} ${yours}` };
}

/** The rows [from, to) that are drawn when `height` pixels below `top` are seen. */
export function visible(top, height, row, size) {
  const from = Math.max(0, Math.floor(top / row) - SPARE);
  return [Math.min(from, size), Math.min(size, Math.ceil((top + height) / row) + SPARE)];
}

/** Where a key leads from a cell of the grid, or null for other keys. */
export function moved({ key, ctrlKey = false }, { token, depth }, size, depths) {
  const places = {
    ArrowLeft: [token, depth - 1],
    ArrowRight: [token, depth + 1],
    ArrowUp: [token - 1, depth],
    ArrowDown: [token + 1, depth],
    PageUp: [token - GUESSES, depth],
    PageDown: [token + GUESSES, depth],
    Home: ctrlKey ? [0, depth] : [token, 0],
    End: ctrlKey ? [size - 1, depth] : [token, depths - 1],
  };
  if (!Object.hasOwn(places, key)) return null;
  const within = (value, count) => Math.max(0, Math.min(count - 1, value));
  return { token: within(places[key][0], size), depth: within(places[key][1], depths) };
}

/** The first of the tokens that lead up to a position and are no longer than `limit` characters. */
export function contextFrom(tokens, token, limit) {
  let from = token, length = tokens[token][0].length;
  while (from > 0 && length + tokens[from - 1][0].length <= limit)
    length += tokens[--from][0].length;
  return from;
}

/** A probability as text. */
export function written(p) {
  if (p < 0.0005) return p === 0 ? "0" : "<0.001";
  return p.toFixed(p >= 0.0995 ? 2 : 3);
}

/** The whole text as RGBA, a pixel per reading: `ground` for strength 0, `heat` for 1;
 *  clear where `covered(i)`. */
export function pixels(shades, covered, heat, ground) {
  const image = new Uint8ClampedArray(4 * shades.length);
  for (const [i, share] of shades.entries()) {
    if (covered(i)) continue; // clear
    for (let c = 0; c < 3; c++) image[4 * i + c] = ground[c] + share * (heat[c] - ground[c]);
    image[4 * i + 3] = 255;
  }
  return image;
}

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

// ---------------------------------------------------------------- the page

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The signs of a token, its spaces and unseen characters visible. */
function signs([text, kind]) {
  if (kind !== "text") return [h("span", { class: kind }, text)];
  return pieces(text).map(([what, sign]) => (
    what === "text" ? sign : h("span", { class: what }, sign)));
}

/** The signs of a token in running text, where a space is a space. */
const running = (token) => (
  token[1] !== "text" ? signs(token) : pieces(token[0]).map(([what, sign]) => (
    what === "text" ? sign : what === "space" ? " " : h("span", { class: what }, sign))));

const percent = (share) => `${Math.round(100 * share)}%`;
const { format: count } = new Intl.NumberFormat("en");
const nameOf = (depth) => (depth ? `layer ${depth - 1}` : "embedding");
const shortName = (depth) => (depth ? nameOf(depth) : "embed.");
const wash = (share) => (
  `color-mix(in srgb, var(--gpt-heat) ${(46 * share).toFixed(1)}%, transparent)`);

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, peek: null, pin: null, drawn: {}, rows: new Map(), open: new Map() };
  view.score = { right: 0, of: 0 };
  view.id = `gpt-residual-${Math.random().toString(36).slice(2)}`;
  view.choice = h("select");
  view.shade = h("select");
  for (const [value, text] of Object.entries(SHADES)) view.shade.append(h("option", { value }, text));
  view.box = h("textarea", { rows: 2, "aria-label": "Your own text" });
  view.box.placeholder = "Your own text";
  view.form = h("form", {}, view.box, h("button", { type: "submit" }, "Look at it"));
  view.form.hidden = !model.get("live");
  view.note = h("p", { class: "gpt-quiet", role: "status" });
  buildGrid(view);
  buildPanel(view);
  view.legend = h("p", { class: "legend" });
  view.notice = h("p", { class: "gpt-quiet" });
  view.said = h("p", { class: "gpt-unseen", "aria-live": "polite" });
  const controls = h("div", { class: "controls" });
  controls.append(h("label", {}, "Text ", view.choice), h("label", {}, "Shade by ", view.shade));
  view.root = h("div", { class: "gpt-explorer gpt-residual" });
  view.root.append(controls, view.form, view.note);
  view.root.append(h("div", { class: "both" }, h("div", {}, view.stage, view.legend), view.panel));
  view.root.append(view.notice, view.said);
  view.root.classList.toggle("many", view.depths >= MANY);
  return view;
}

/** The grid: a line of headings, the rows, the lines of means; beside it the whole text. */
function buildGrid(view) {
  const depths = (view.depths = view.model.get("n_layer") + 1);
  const label = "Readings; up and down choose the position, left and right the depth, P pins";
  view.scroll = h("div", { class: "scroll", role: "grid", tabindex: 0, "aria-label": label });
  const many = depths >= MANY;
  view.heads = Array.from({ length: depths }, (_, depth) => {
    const name = many ? (depth ? `${depth - 1}` : "emb.") : shortName(depth);
    const head = h("span", { role: "columnheader" }, name);
    head.ariaLabel = nameOf(depth);
    return head;
  });
  view.head = h("div", { class: "line head", role: "row", "aria-rowindex": 1 });
  view.head.append(h("span", { role: "columnheader" }, many ? "layer" : "read"), ...view.heads);
  view.head.append(h("span", { class: "next", role: "columnheader" }, "then"));
  view.body = h("div", { class: "rows", role: "rowgroup" });
  view.foot = h("div", { class: "foot", role: "rowgroup" });
  view.scroll.append(view.head, view.body, view.foot);
  view.picture = h("canvas");
  view.port = h("div", { class: "port" });
  view.map = h("div", { class: "map", "aria-hidden": "true" }, view.picture, view.port);
  view.stage = h("div", { class: "stage" }, view.scroll, view.map);
  view.stage.style.setProperty("--depths", depths);
}

/** Beside the grid: the guess, the reading that is chosen, and the one that is pinned. */
function buildPanel(view) {
  const button = (text) => h("button", { type: "button" }, text);
  view.ask = h("p", {});
  view.options = h("div", { class: "options", role: "group", "aria-label": "Your guess" });
  view.buttons = Array.from({ length: view.depths + 1 }, (_, i) => {
    const made = button(i < view.depths ? nameOf(i) : "nowhere");
    made.dataset.guess = i < view.depths ? i : -1;
    return made;
  });
  view.options.append(...view.buttons);
  view.verdict = h("p", { class: "verdict", role: "status" });
  view.another = button("Another position");
  view.cover = button("");
  view.guess = h("div", { class: "guess" }, view.ask, view.options, view.verdict);
  view.guess.append(h("div", { class: "options" }, view.another, view.cover));
  view.title = h("p", { class: "title" });
  view.context = h("p", { class: "context", dir: "ltr" });
  view.tops = h("ol");
  view.sides = h("p", { class: "sides", "aria-hidden": "true" });
  view.facts = h("div", { class: "facts" });
  view.through = h("div", { class: "through", role: "table", "aria-label": "Through the layers" });
  view.pinIt = button("Pin to compare");
  view.pinTitle = h("p", { class: "title" });
  view.drop = button("Let go"); // stays: a button that is drawn anew under a press is not clicked
  view.drop.className = "drop";
  view.compared = h("div");
  const names = h("div", { class: "names" }, view.pinTitle, view.drop);
  view.pinned = h("div", { class: "pinned" }, names, view.compared);
  view.details = h("div", { class: "details" }, view.sides, view.tops, view.facts);
  view.details.append(view.through, view.pinIt);
  view.panel = h("div", { class: "panel" }, view.guess, view.title, view.context, view.details);
  view.panel.append(view.pinned);
}

/** What is chosen now, whatever the model holds. */
function chosen({ model, depths, peek }) {
  const own = model.get("own");
  const looks = [...model.get("texts"), ...(own.tokens ? [own] : [])];
  const within = (value, size) => Math.max(0, Math.min(size - 1, value));
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
  if (drawn.looks !== now.looks.length || fresh) fillChoice(view, now);
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
  say(view, now);
}

/** Heights in pixels: of a row, and of the room in which rows are seen. */
function measure(view) {
  const { scroll, head, foot } = view, above = head.offsetHeight;
  view.row = above || 28; // 0: not on the page yet
  view.room = scroll.clientHeight - above - foot.offsetHeight;
}

function fillChoice({ choice, note, model }, { looks, text, look }) {
  choice.replaceChildren(...looks.map(({ name }, i) => h("option", { value: i }, name)));
  choice.value = text;
  const cut = look.of > look.tokens.length;
  note.textContent = cut
    ? `The first ${count(look.tokens.length)} of ${count(look.of)} tokens.`
    : model.get("own").error ?? "";
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
      row = h("div", { class: "line", role: "row", "aria-rowindex": token + 2 });
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
    const cell = h("span", { class: "cell", role: "gridcell", id: `${view.id}-${token}-${depth}` });
    cell.dataset.depth = depth;
    if (covers(view, token, depth)) {
      cell.classList.add("covered");
      cell.ariaLabel = "covered";
      return cell;
    }
    const found = read(view, look, token, depth), name = look.names[found.names[0]];
    const right = next && found.rank === 1;
    cell.append(...signs(name));
    cell.classList.toggle("right", Boolean(right));
    cell.ariaLabel = `${spoken(name)} ${written(found.p[0])}${right ? ", true" : ""}`;
    return cell;
  });
  const name = h("span", { class: "name", role: "rowheader" }, ...signs(look.tokens[token]));
  const then = h("span", { class: "next", role: "gridcell" }, ...(next ? signs(next) : []));
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
  at("pin", pin?.look === look ? pin : null);
  for (const cell of scroll.querySelectorAll("[aria-selected=true]")) cell.ariaSelected = "false";
  const cell = at("chosen", { token, depth });
  if (cell) {
    cell.ariaSelected = "true";
    scroll.setAttribute("aria-activedescendant", cell.id);
  }
  for (const row of scroll.querySelectorAll(".line.at")) row.classList.remove("at");
  rows.get(token)?.classList.add("at");
  for (const [i, head] of heads.entries()) head.classList.toggle("at", i === depth);
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
    return h("div", { class: "line", role: "row" }, h("span", { role: "rowheader" }, name), ...cells);
  }));
}

function fillLegend({ legend, notice, shade, model }, { look }) {
  const by = shade.value, unit = { rank: "rank", entropy: "nats" }[by] ?? "probability";
  const steps = scale(by, model.get("vocab_size")).map(([text, share]) => {
    const box = h("i");
    box.style.backgroundColor = wash(share);
    return h("span", {}, box, text);
  });
  const right = h("span", {}, h("b", { class: "right" }, "token"), "is the true next one");
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
  view.guess.classList.toggle("asking", covered);
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
  if (next) context.append(" → ", h("span", { class: "true" }, ...signs(next)));
}

const line = (name, p, right, ...rest) => {
  const bar = h("i");
  bar.style.setProperty("--share", p);
  return h("li", right ? { class: "right" } : {}, h("span", { class: "name" }, ...signs(name)), bar,
    h("b", {}, written(p)), ...rest);
};

/** The likeliest tokens here, with what the neighbouring depths give them. */
function fillTops({ model, tops, sides, depths, ...view }, look, token, depth) {
  const found = read({ model, depths }, look, token, depth), next = truth(look, token);
  const side = (there, p) => h("span", { class: "side" }, there ? written(p) : "");
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
    const name = `${at === depth ? "at " : ""}${next && found.rank === 1 ? "right" : ""}`;
    return row("cell", [nameOf(at), top, ...known, found.entropy.toFixed(2)], name);
  });
  const heads = ["", "on top", "rank", "p of next", "nats"];
  view.through.replaceChildren(row("columnheader", heads, "names"), ...lines);
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
  const changes = h("div", { class: "changes" });
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

/** Tell a screen reader what is chosen, once the reader has come to rest. */
function say(view, { look, token, depth }) {
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
  clearTimeout(view.saying);
  if (text !== view.said.textContent)
    view.saying = setTimeout(() => (view.said.textContent = text), 400);
}

function colours({ said }) {
  const [heat, ground] = ["--gpt-heat", "--gpt-surface-2"].map((name) => {
    said.style.color = `var(${name})`;
    return getComputedStyle(said).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  });
  return { heat, ground };
}

/** The whole text beside the grid, in the colours that the page has now. */
function paint(view) {
  if (!view.root.isConnected) return; // the first ResizeObserver call comes when it is
  const { size } = kept(view), { depths, map, picture } = view;
  map.hidden = size * view.row <= 3 * view.room; // the grid shows enough of it
  if (map.hidden) return;
  map.style.marginTop = `${view.row}px`;
  map.style.height = `${view.room}px`;
  const { heat, ground } = (view.palette ??= colours(view));
  const covered = (i) => covers(view, Math.floor(i / depths), i % depths);
  picture.width = depths;
  picture.height = size;
  const image = new ImageData(pixels(view.drawn.shades, covered, heat, ground), depths);
  picture.getContext("2d").putImageData(image, 0, 0);
}

// ---------------------------------------------------------------- what the reader does

function later(view) {
  view.frame ??= requestAnimationFrame(() => {
    view.frame = undefined;
    update(view);
  });
}

function choose(view, changes) {
  for (const [name, value] of Object.entries(changes)) view.model.set(name, value);
  view.model.save_changes();
  later(view);
}

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
  const next = moved(event, { token, depth }, size, view.depths);
  if (!next || event.altKey || event.metaKey) return;
  event.preventDefault();
  view.peek = null;
  choose(view, next);
}

/** Pointing shows a cell for as long as it lasts; a click or a tap keeps it. */
function listenToPointer(view) {
  const { scroll, body, map } = view;
  const under = (event) => {
    const cell = event.target.closest(".cell");
    return cell && { token: +cell.parentElement.dataset.token, depth: +cell.dataset.depth };
  };
  body.addEventListener("pointerover", (event) => {
    const cell = under(event);
    if (event.pointerType === "touch" || !cell || covers(view, cell.token, cell.depth)) return;
    view.peek = cell;
    later(view);
  });
  body.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType === "touch") return;
    view.peek = null;
    later(view);
  });
  body.addEventListener("click", (event) => {
    const cell = under(event), line = event.target.closest(".line");
    if (cell) choose(view, cell);
    else if (line) choose(view, { token: +line.dataset.token });
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
  const { model, scroll, choice, shade, form, box, options, cover, pinIt, drop } = view;
  listenToPointer(view);
  scroll.addEventListener("keydown", (event) => onGridKey(view, event));
  choice.addEventListener("change", () => chooseText(view, +choice.value));
  shade.addEventListener("change", () => later(view));
  options.addEventListener("click", ({ target }) => {
    const guess = target.closest("button")?.dataset.guess;
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
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value.trim()) choose(view, { asked: box.value });
  });
  model.on("change:own", () => {
    if (model.get("own").tokens) chooseText(view, model.get("texts").length);
    view.drawn.looks = 0; // an error has to be told too
    later(view);
  });
  for (const name of ["texts", "text", "token", "depth", "covered"])
    model.on(`change:${name}`, () => later(view));
}

export default {
  render({ model, el }) {
    const view = build(model);
    el.append(view.root);
    update(view);
    listen(view);
    const repaint = () => {
      view.palette = null; // the theme may have changed
      measure(view);
      paint(view);
      later(view);
    };
    const size = new ResizeObserver(repaint);
    size.observe(view.root);
    const theme = new MutationObserver(repaint);
    for (const place of [document.documentElement, document.body])
      theme.observe(place, { attributes: true });
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", repaint);
    return () => {
      size.disconnect();
      theme.disconnect();
      system.removeEventListener("change", repaint);
    };
  },
};
