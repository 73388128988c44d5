// Who may look at whom: the mask of a pattern, what its rows cost, and how far layers of it carry a
// token. Tokens and layers count from 0; layer i leads from level i to level i + 1, and level 0
// holds the tokens themselves. A token keeps what it has through the residual stream, so that a
// path may wait at its place in any layer; only reading another token is a hop.

import {
  button, cellBox, cellUnder, choose, count, h, hit, later, mount, plural, rgb, say, small, unseen,
} from "../shared/kit.js";
import {
  cellFor, cone, faults, fields, gathered, growth, judge, layersOf, LIMITS, network, notice, pixels,
  QUESTION, route, rule, runs, sound, stack, strength, stroke, warning, wayInWords,
} from "./masks.js";

const EDGES = 700; // lines that the picture of the layers can hold and stay clear
const STACKS = {
  dense: "dense (GPT-1, GPT-2)",
  banded: "banded",
  strided: "strided",
  block: "block",
  fixed: "fixed",
  "dense,banded": "dense and banded in turn (GPT-3)",
  "banded,strided": "banded and strided in turn (Sparse Transformer)",
};

const percent = (share) => `${(100 * share).toFixed(1)} %`;

// ---------------------------------------------------------------- the page

const TRAITS = ["n", "window", "summary", "n_layer", "pattern", "painted", "token", "key"];
const SLIDERS = { n: "tokens n", window: "window l", summary: "summary c", n_layer: "layers" };

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, peek: null, shown: 0, painting: false, drawn: {} };
  const { n, window } = QUESTION;
  view.guess = h("input", { type: "text", inputmode: "numeric", size: 3 });
  view.guess.ariaLabel = "Number of layers";
  view.verdict = h("p", { class: "mk-verdict", role: "status" });
  const question = `${n} tokens, every layer banded with window ${window}: after how many layers ` +
    "can the last token know something of token 0?";
  view.form = h("form", {}, h("p", {}, h("strong", {}, "Predict first. "), question));
  const attempt = h("button", { type: "submit" }, "Try it");
  view.form.append(h("div", {}, view.guess, attempt), view.verdict);
  view.choice = h("select");
  const given = model.get("pattern").join(), own = `${given.replaceAll(",", ", ")} in turn`;
  for (const [name, text] of Object.entries({ ...STACKS, [given]: STACKS[given] ?? own }))
    view.choice.append(h("option", { value: name }, text));
  view.rule = h("p", { class: "gpt-quiet mk-rule" });
  view.controls = h("div", { class: "mk-controls" });
  view.sliders = {};
  for (const [name, text] of Object.entries(SLIDERS)) {
    const [min, max] = LIMITS[name], value = h("b"); // an output would take the label
    const input = h("input", { type: "range", min, max });
    const label = h("label", {}, h("span", {}, `${text} `, value), input);
    view.controls.append(label);
    view.sliders[name] = { label, input, value };
  }
  view.modes = h("div", { class: "mk-modes", role: "group", "aria-label": "Which mask is shown" });
  view.canvas = h("canvas", { "aria-hidden": "true" });
  view.over = h("div", { class: "mk-over", "aria-hidden": "true" });
  view.bars = h("canvas", { class: "mk-bars", "aria-hidden": "true" });
  view.matrix = h("div", { class: "mk-matrix", role: "application", tabindex: 0 });
  view.matrix.append(view.canvas, view.over);
  view.paint = button("Paint cells");
  view.clear = button("Clear paint");
  view.hint = h("p", { class: "gpt-quiet mk-hint" });
  view.warn = h("p", { class: "mk-warn", role: "status" });
  view.layers = h("canvas", { "aria-hidden": "true" });
  view.way = h("p", { class: "mk-way" });
  view.field = h("p", { class: "gpt-quiet" });
  view.facts = h("div", { class: "mk-facts" });
  view.title = h("p", { class: "mk-title" });
  view.lead = h("p", { class: "mk-title" });
  view.told = h("span");
  view.said = unseen();
  const pictures = h("div", { class: "mk-pictures" }, view.matrix, view.bars);
  view.axes = h("p", { class: "gpt-quiet mk-axes" });
  view.key = h("p", { class: "gpt-quiet mk-about" });
  const left = h("div", { class: "mk-left" }, view.title, view.modes, pictures, view.axes);
  left.append(h("div", { class: "mk-tools" }, view.paint, view.clear), view.hint, view.warn);
  const lattice = h("div", { class: "mk-lattice" }, view.layers);
  const right = h("div", { class: "mk-right" }, view.lead, lattice, view.key, view.field, view.way);
  view.root = h("div", { class: "gpt-explorer gpt-masks" });
  const aside = "Entries are scores that a head has to compute. A mask over a dense matrix saves " +
    "none of them; a kernel that skips closed cells does.";
  view.root.append(view.form, h("label", { class: "mk-choice" }, "Pattern ", view.choice), view.rule);
  view.root.append(view.controls, h("div", { class: "mk-panels" }, left, right), view.facts);
  view.root.append(h("p", { class: "gpt-quiet mk-aside" }, aside));
  view.root.append(h("p", {}, h("strong", {}, "What to notice. "), view.told), view.said);
  view.update = () => update(view);
  return view;
}

/** What is chosen now, and what follows from it; a network is worked out once. */
function chosen(view) {
  const { model, peek, drawn } = view;
  const now = sound(Object.fromEntries(TRAITS.map((name) => [name, model.get(name)])));
  const { n, window, summary, pattern, painted } = now;
  const name = JSON.stringify([n, window, summary, pattern, painted]);
  if (drawn.name !== name) Object.assign(drawn, { name, net: network(now), fresh: true });
  const at = peek && peek.q < n && peek.k < n ? peek : { q: now.token, k: now.key };
  const shown = Math.min(view.shown, pattern.length);
  return { ...now, ...at, net: drawn.net, shown, all: shown === pattern.length };
}

/** Bring the page to what is chosen; the mask is drawn again only where it has changed. */
function update(view) {
  const now = chosen(view), { drawn } = view;
  const picture = `${now.shown} ${now.all && now.n_layer} ${view.painting}`;
  if (drawn.fresh || drawn.picture !== picture || drawn.n_layer !== now.n_layer) {
    Object.assign(drawn, { fresh: false, picture, n_layer: now.n_layer });
    fillControls(view, now);
    paintMask(view, now);
    paintBars(view, now);
    fillFacts(view, now);
    view.warn.textContent = warning(faults(now.net, now), now.n_layer);
  }
  overlay(view, now);
  follow(view, now);
  tell(view, now);
}

function fillControls(view, now) {
  const { sliders, choice, modes } = view, { pattern, n } = now;
  choice.value = pattern.join();
  sliders.window.input.max = n;
  sliders.summary.input.max = now.window;
  for (const [name, { input, value }] of Object.entries(sliders)) {
    input.value = now[name];
    value.textContent = now[name];
  }
  sliders.window.label.hidden = pattern.every((name) => name === "dense");
  sliders.summary.label.hidden = !pattern.includes("fixed");
  const layer = (name) => (pattern.length > 1 ? `in a ${name} layer ` : "");
  const rules = pattern.map((name) => layer(name) + rule(name, now));
  view.rule.textContent = `Token q may read ${rules.join("; ")}.`;
  const which = (i) => layersOf(i, pattern.length, now.n_layer);
  const own = pattern.length > 1 ? pattern.map((name, i) => `${which(i)}: ${name}`) : ["one layer"];
  const texts = [...own, "all layers together"];
  while (modes.childElementCount > texts.length) modes.lastChild.remove();
  for (const [i, text] of texts.entries()) {
    const made = modes.children[i] ?? modes.appendChild(button(""));
    made.textContent = text;
    made.ariaPressed = `${i === now.shown}`;
  }
  view.paint.ariaPressed = `${view.painting}`;
  view.paint.disabled = now.all;
  view.clear.disabled = !now.painted.length;
  view.matrix.classList.toggle("mk-painting", view.painting && !now.all);
  view.matrix.ariaLabel = "Mask; up and down choose who reads, left and right what is read";
  view.hint.textContent = now.all
    ? "The paler a cell, the more layers it takes."
    : view.painting
      ? "Click, drag, or press space on the chosen cell. Above the diagonal is the future."
      : "Point at a cell, click to keep it, or use the arrow keys.";
  view.title.textContent = now.all
    ? `What reaches whom in ${plural(now.n_layer, "layer")}`
    : `The mask of ${which(now.shown)}`;
  const painted = "You have painted over the pattern. Compare what the layers cost and reach " +
    "with what they did before: clear the paint to go back.";
  view.told.textContent = now.painted.length ? painted : notice(pattern);
}

/** Draw the mask, or the layers that each pair needs, in the colours that the page has now. */
function paintMask(view, now) {
  if (!view.root.isConnected) return; // the first ResizeObserver call comes when it is
  const { n, net, n_layer } = now, { canvas } = view;
  const shares = Array.from({ length: n_layer + 2 }, (_, far) => strength(far, n_layer));
  const share = now.all ? new Float32Array(n * n) : net.masks[now.shown];
  for (let at = 0; now.all && at < n * n; at++)
    share[at] = shares[Math.min(net.distance[at], n_layer + 1)];
  const picture = small(pixels(share, n, colours(view)), n, n);
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  if (!side) return;
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), gap = Math.ceil(devicePixelRatio);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, side, side);
  if (side / n < 6 * gap) return;
  for (let i = 1; i < n; i++) {
    const at = Math.round((i * side) / n) - gap;
    context.clearRect(0, at, side, gap);
    context.clearRect(at, 0, gap, side);
  }
}

/** The colours of the theme as [red, green, blue]. */
function colours(view) {
  const names = { open: "--gpt-1", leak: "--gpt-2", closed: "--gpt-surface-2" };
  Object.assign(names, { ink: "--gpt-ink", quiet: "--gpt-quiet" });
  return Object.fromEntries(Object.entries(names).map(([name, hue]) => [name, rgb(view, hue)]));
}

/** A canvas as large as its place, ready to be drawn on in CSS pixels. */
function ready(canvas, height) {
  const width = canvas.clientWidth, scale = devicePixelRatio;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return { context, width };
}

/** Beside the mask: how many keys each query reads, or has been reached by; full width is n. */
function paintBars(view, now) {
  const { n, net } = now, height = view.canvas.clientHeight;
  if (!height) return;
  const { context, width } = ready(view.bars, height), { open, quiet } = colours(view);
  const row = now.all ? gathered(net.distance, n, now.n_layer) : net.costs[now.shown];
  const edge = (q) => Math.round((q * height * devicePixelRatio) / n) / devicePixelRatio;
  const gap = height / n >= 6 ? 1 : 0;
  context.fillStyle = `rgb(${now.all ? quiet : open})`;
  row.forEach((keys, q) => {
    const long = keys ? Math.max(1, (keys / n) * width) : 0;
    context.fillRect(0, edge(q), long, edge(q + 1) - edge(q) - gap);
  });
}

/** Over the mask: the row of the query and the chosen cell. */
function overlay(view, { n, q, k, net, shown, all, n_layer, pattern }) {
  const box = (name, ...places) => cellBox(name, places, n, n);
  view.over.replaceChildren(box("mk-across", 0, q, n, 1), box("mk-cell", k, q, 1, 1));
  const keys = all ? gathered(net.distance, n, n_layer)[q] : net.costs[shown][q];
  const verb = all ? "is reached by" : "reads";
  const where = pattern.length > 1 && !all ? ` (${pattern[shown]})` : "";
  view.lead.textContent = `Token ${q} ${verb} ${plural(keys, "token")}${where}`;
  const open = all ? net.distance[q * n + k] <= n_layer : net.masks[shown][q * n + k];
  const [yes, no] = all ? ["reaches it", "does not reach it"] : ["may be read", "may not be read"];
  const may = open ? yes : no;
  view.axes.textContent = `Row: token ${q} reads. Column: token ${k} ${may}. Bars: tokens per row.`;
}

/** The layers between key and query: what reaches the query, and the way of the chosen key. */
function follow(view, now) {
  const { n, q, k, net, n_layer, window, pattern } = now, far = net.distance[q * n + k];
  const asked = n === QUESTION.n && window === QUESTION.window && pattern.join() === "banded";
  const levels = cone(net.lists, n, q, n_layer);
  const places = far <= n_layer ? route(net.lists, n, k, q, far) : null;
  view.way.textContent = wayInWords(k, q, far, n_layer, places, asked && !view.solved);
  const sizes = fields(net.distance, n, q, n_layer).slice(1);
  const shown = sizes.length > 8 ? [...sizes.slice(0, 6), "…", sizes.at(-1)] : sizes;
  const after = ["1 layer", "1 and 2 layers"][n_layer - 1] ?? `1 to ${n_layer} layers`;
  view.field.textContent =
    `Tokens that can reach token ${q} after ${after}: ${shown.join(", ")} of ${n}.`;
  view.key.textContent = "From the tokens at the bottom up through the layers: blue is what " +
    `reaches token ${q} at the top${places ? `, the line the shortest way of token ${k}` : ""}.`;
  if (view.layers.clientWidth) drawLayers(view, now, levels, places);
}

/** Where the picture of the layers stands in its canvas, in CSS pixels. */
function frame({ n_layer, pattern, n }, width) {
  const pitch = Math.max(7, Math.min(80, 300 / n_layer)), thick = Math.min(9, pitch * 0.45);
  const named = pitch >= 15, left = named && pattern.length > 1 ? 64 : 24, right = 8, top = 20;
  const cell = (width - left - right) / n, height = top + n_layer * pitch + thick + 20;
  return { pitch, thick, named, left, top, cell, height };
}

/** The picture of the layers: one line of places per level, the tokens at the bottom. */
function drawLayers(view, now, levels, places) {
  const { n, q, k, net, n_layer, pattern } = now, box = frame(now, view.layers.clientWidth);
  const { pitch, thick, named, left, top, cell, height } = box;
  const { context, width } = ready(view.layers, height), hue = colours(view);
  const x = (at) => left + (at + 0.5) * cell;
  const y = (level) => top + (n_layer - level) * pitch + thick / 2;
  const fill = (rgb, alpha = 1) => (context.fillStyle = `rgb(${rgb.join(" ")} / ${alpha})`);
  levels.forEach((level, i) => {
    const high = y(i) - thick / 2, end = i === 0 || i === n_layer;
    fill(hue.closed);
    context.fillRect(left, high, n * cell, thick);
    fill(hue.open, end ? 1 : 0.75);
    for (const [from, to] of runs(level))
      context.fillRect(left + from * cell, high, Math.max((to - from) * cell, 1), thick);
    for (let at = 1; cell >= 5 && at < n; at++)
      context.clearRect(Math.round(left + at * cell) - 1, high, 1, thick);
  });
  const rim = (level, side) => y(level) + (side * thick) / 2;
  drawEdges(context, levels, net.lists, hue.open, x, rim);
  const family = getComputedStyle(view.root).fontFamily;
  context.font = `11px ${family}`;
  context.textBaseline = "middle";
  fill(hue.quiet);
  for (let layer = 0; layer < n_layer; layer += named ? 1 : Math.ceil(15 / pitch)) {
    const name = named && pattern.length > 1 ? ` ${pattern[layer % pattern.length]}` : "";
    context.fillText(`${layer}${name}`, 0, (y(layer) + y(layer + 1)) / 2);
  }
  if (places) {
    const waiting = Array(n_layer + 1 - places.length).fill(q);
    drawWay(context, [...places, ...waiting], hue, x, y);
  }
  context.textAlign = "center";
  context.font = `600 12px ${family}`;
  fill(hue.ink);
  for (const [at, line] of [[q, 8], [k, height - 8]]) {
    const half = context.measureText(`token ${at}`).width / 2;
    context.fillText(`token ${at}`, Math.max(left + half, Math.min(width - half, x(at))), line);
  }
}

/** Thin lines from each key to each query that reads it, within the cone and if they are few. */
function drawEdges(context, levels, lists, [r, g, b], x, y) {
  const found = [];
  for (let level = 1; level < levels.length && found.length <= EDGES; level++)
    levels[level].forEach((active, at) => {
      const read = active ? lists[(level - 1) % lists.length][at] : [];
      for (const key of read) found.push([level, at, key]);
    });
  if (found.length > EDGES) return;
  context.strokeStyle = `rgb(${r} ${g} ${b} / ${found.length > 250 ? 0.16 : 0.3})`;
  context.lineWidth = 1;
  context.beginPath();
  for (const [level, at, key] of found) {
    context.moveTo(x(key), y(level - 1, -1));
    context.lineTo(x(at), y(level, 1));
  }
  context.stroke();
}

/** The way itself: a line with a dot where it hops. */
function drawWay(context, places, { ink }, x, y) {
  context.strokeStyle = context.fillStyle = `rgb(${ink})`;
  context.lineWidth = 2.25;
  context.lineJoin = "round";
  context.beginPath();
  places.forEach((at, level) => context.lineTo(x(at), y(level)));
  context.stroke();
  places.forEach((at, level) => {
    const last = level === 0 || level === places.length - 1;
    if (!last && at === places[level - 1] && at === places[level + 1]) return;
    context.beginPath();
    context.arc(x(at), y(level), last ? 5 : 3.5, 0, 7);
    context.fill();
  });
}

function fillFacts(view, now) {
  const { net, pattern, n_layer, n } = now, { each, dense, sum, all } = stack(net, now);
  const fact = (label, value, detail) =>
    h("div", {}, h("span", {}, label), h("b", {}, value), h("span", {}, detail));
  const facts = each.map((value, i) => {
    const label = pattern.length > 1 ? `entries, ${pattern[i]} layer` : "entries of a layer";
    return fact(label, count(value), `${percent(value / dense)} of dense (${count(dense)})`);
  });
  const { own, dense: square } = growth(now), many = plural(n_layer, "layer");
  let reached = 0;
  for (let q = 0; q < n; q++)
    for (let k = 0; k <= q; k++) reached += net.distance[q * n + k] <= n_layer;
  const share = `${percent(sum / all)} of dense (${count(all)})`;
  facts.push(
    fact(`entries, ${many}`, count(sum), share),
    fact(`reached in ${many}`, percent(reached / dense), "of all pairs k ≤ q"),
  );
  const times = `entries; dense × ${square.toFixed(2)}`; // of the pattern, not of what is painted
  if (!now.painted.length) facts.push(fact("twice the tokens", `× ${own.toFixed(2)}`, times));
  view.facts.replaceChildren(...facts);
}

/** What is chosen, as it is read aloud. */
function tell(view, { q, k, net, n, shown, all }) {
  const cell = all ? "" : net.masks[shown][q * n + k] ? "may read" : "may not read";
  const first = cell && `Token ${q} ${cell} token ${k}. `;
  const rest = [`${view.lead.textContent}.`, view.way.textContent, view.field.textContent];
  say(view, first + rest.join(" "));
}

// ---------------------------------------------------------------- what the reader does

/** Paint cells of the mask that is shown: open or close them, or turn the first one round. */
function paintCells(view, cells, value) {
  const { net, n, shown, all, painted } = chosen(view), { q, k } = cells.at(-1);
  if (all) return value;
  const mask = net.masks[shown], wanted = value ?? 1 - mask[cells[0].q * n + cells[0].k];
  const fresh = cells.filter((cell) => mask[cell.q * n + cell.k] !== wanted);
  const same = ([i, row, column]) =>
    i === shown && fresh.some((cell) => cell.q === row && cell.k === column);
  const kept = painted.filter((one) => !same(one));
  const more = fresh.map((cell) => [shown, cell.q, cell.k, wanted]);
  choose(view, { painted: [...kept, ...more], token: q, key: k });
  return wanted;
}

function resize(view, name, value) {
  const changes = { [name]: value }, now = sound({ ...chosen(view), ...changes });
  const last = chosen(view).token === chosen(view).n - 1; // the last token stays the last
  if (name === "n") Object.assign(changes, { token: last ? now.n - 1 : now.token, key: now.key });
  choose(view, { ...changes, window: now.window, summary: now.summary });
}

function onMaskKey(view, event) {
  const now = chosen({ ...view, peek: null });
  const at = { q: now.token, k: now.key };
  if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    if (view.painting) paintCells(view, [at]);
    return;
  }
  const next = cellFor(event.key, at, now.n);
  if (!next || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  view.peek = null;
  choose(view, { token: next.q, key: next.k });
}

/** Pointing shows a cell for as long as it lasts; a click keeps it; with the brush it paints. */
function listenToPointer(view) {
  const { matrix, canvas, layers } = view;
  let brush = null, last = null;
  const under = (event) => {
    const { n } = chosen(view), cell = cellUnder(event, canvas, n, n);
    return cell && { q: cell.row, k: cell.column };
  };
  const peek = (cell) => {
    view.peek = cell;
    later(view);
  };
  const painting = () => view.painting && !chosen(view).all;
  matrix.addEventListener("pointerdown", (event) => {
    const cell = under(event);
    if (!painting() || !cell || event.button) return;
    matrix.setPointerCapture(event.pointerId);
    view.peek = null;
    brush = paintCells(view, [cell]);
    last = cell;
  });
  matrix.addEventListener("pointermove", (event) => {
    const cell = under(event);
    if (brush !== null && cell) {
      const cells = stroke(last, cell);
      if (cells.length) paintCells(view, cells, brush);
      last = cell;
    } else if (event.pointerType !== "touch") peek(cell);
  });
  for (const end of ["pointerup", "pointercancel"])
    matrix.addEventListener(end, () => (brush = null));
  matrix.addEventListener("click", (event) => {
    const cell = under(event);
    if (cell && !painting()) choose(view, { token: cell.q, key: cell.k });
  });
  matrix.addEventListener("pointerleave", () => peek(null));
  layers.addEventListener("click", (event) => {
    const { left, top, width } = layers.getBoundingClientRect(), now = chosen(view);
    const { left: start, cell, height, top: margin } = frame(now, width);
    const at = Math.floor((event.clientX - left - start) / cell);
    const upper = event.clientY - top < Math.max(height / 4, 2 * margin);
    if (at >= 0 && at < now.n) choose(view, upper ? { token: at } : { key: at });
  });
}

function listen(view) {
  const { matrix, choice, sliders, modes, paint, clear, form, guess, verdict } = view;
  listenToPointer(view);
  matrix.addEventListener("keydown", (event) => onMaskKey(view, event));
  choice.addEventListener("change", () => {
    view.shown = 0;
    choose(view, { pattern: choice.value.split(","), painted: [] });
  });
  for (const [name, { input }] of Object.entries(sliders))
    input.addEventListener("input", () => resize(view, name, +input.value));
  modes.addEventListener("click", (event) => {
    const index = [...modes.children].indexOf(hit(event, "button"));
    if (index < 0) return;
    view.shown = index;
    later(view);
  });
  paint.addEventListener("click", () => {
    view.painting = !view.painting;
    later(view);
  });
  clear.addEventListener("click", () => choose(view, { painted: [] }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { right, layers, text } = judge(guess.value.trim() === "" ? NaN : +guess.value);
    verdict.textContent = text;
    verdict.classList.toggle("mk-right", right);
    view.solved ||= right;
    if (layers === null) return;
    const { n, window } = QUESTION;
    view.shown = 0;
    const sizes = { n, window, n_layer: layers, pattern: ["banded"], painted: [] };
    choose(view, { ...sizes, token: n - 1, key: 0 });
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    const again = () => {
      view.drawn.fresh = true;
      update(view);
    };
    return mount(el, view, { traits: TRAITS, resized: again, watched: view.matrix, painted: again });
  },
};
