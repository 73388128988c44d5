// Who may look at whom: the mask of a pattern, what its rows cost, and how far layers of it carry a
// token. Tokens and layers count from 0; layer i leads from level i to level i + 1, and level 0
// holds the tokens themselves. A token keeps what it has through the residual stream, so that a
// path may wait at its place in any layer; only reading another token is a hop.

export const LIMITS = { n: [8, 256], window: [1, 256], summary: [1, 256], n_layer: [1, 48] };
const NEVER = 65535; // layers until a token arrives that never does
const QUESTION = { n: 64, window: 8 }; // what the reader predicts
const EDGES = 700; // lines that the picture of the layers can hold and stay clear

// The lines of gptcore/attention.py: may query q read key k? l is the window, c the summary.
export const PATTERNS = {
  dense: (q, k) => k <= q,
  banded: (q, k, l) => k <= q && q - k < l,
  strided: (q, k, l) => k <= q && (q - k) % l === 0,
  block: (q, k, l) => k <= q && Math.floor(q / l) === Math.floor(k / l),
  fixed: (q, k, l, c) => PATTERNS.block(q, k, l) || (k <= q && k % l >= l - c),
};

const STACKS = {
  dense: "dense (GPT-1, GPT-2)",
  banded: "banded",
  strided: "strided",
  block: "block",
  fixed: "fixed",
  "dense,banded": "dense and banded in turn (GPT-3)",
  "banded,strided": "banded and strided in turn (Sparse Transformer)",
};

// ---------------------------------------------------------------- numbers

/** A mask, row by row: 1 where query q may read key k, at q n + k. */
export function mask(name, { n, window, summary }) {
  const found = new Uint8Array(n * n), may = PATTERNS[name];
  for (let q = 0; q < n; q++)
    for (let k = 0; k <= q; k++) found[q * n + k] = may(q, k, window, summary) ? 1 : 0;
  return found;
}

/** One mask per name of the pattern, with the cells [name's index, q, k, 0 or 1] painted over. */
export function masks(setup) {
  const found = setup.pattern.map((name) => mask(name, setup));
  for (const [i, q, k, value] of setup.painted ?? [])
    if (found[i] && q < setup.n && k < setup.n) found[i][q * setup.n + k] = value;
  return found;
}

/** How many keys each query reads. */
export function costs(mask, n) {
  return Array.from({ length: n }, (_, q) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += mask[q * n + k];
    return sum;
  });
}

/** Entries of a mask: scores that a layer needs per head. */
export function entries(mask) {
  let sum = 0;
  for (let at = 0; at < mask.length; at++) sum += mask[at];
  return sum;
}

/** The keys of each query, in order. */
export function keys(mask, n) {
  return Array.from({ length: n }, (_, q) => {
    const row = [];
    for (let k = 0; k < n; k++) if (mask[q * n + k]) row.push(k);
    return row;
  });
}

/** After how many layers key k has first reached query q, at q n + k; 0 for itself. The lists of
    keys are tiled over as many layers as it takes until nothing more arrives. */
export function distances(lists, n) {
  const words = Math.ceil(n / 32), found = new Uint16Array(n * n).fill(NEVER);
  let reach = new Uint32Array(n * words);
  for (let q = 0; q < n; q++) {
    reach[q * words + (q >> 5)] = 1 << (q & 31);
    found[q * n + q] = 0;
  }
  for (let layer = 0, idle = 0; idle < lists.length; layer++) {
    const next = reach.slice(), list = lists[layer % lists.length];
    idle += 1;
    for (let q = 0; q < n; q++) {
      for (const k of list[q])
        for (let w = 0; w < words; w++) next[q * words + w] |= reach[k * words + w];
      for (let w = 0; w < words; w++) {
        let fresh = next[q * words + w] & ~reach[q * words + w];
        if (fresh) idle = 0;
        for (; fresh; fresh &= fresh - 1)
          found[q * n + 32 * w + 31 - Math.clz32(fresh & -fresh)] = layer + 1;
      }
    }
    reach = next;
  }
  return found;
}

/** How many tokens have reached query q after 0, 1 … `layers` layers. */
export function fields(distance, n, q, layers) {
  const row = distance.subarray(q * n, (q + 1) * n);
  const within = (layer) => row.reduce((sum, far) => sum + (far <= layer), 0);
  return Array.from({ length: layers + 1 }, (_, layer) => within(layer));
}

/** How many tokens have reached each query after `layers` layers. */
export function gathered(distance, n, layers) {
  const found = new Array(n).fill(0);
  for (let at = 0; at < n * n; at++) if (distance[at] <= layers) found[Math.floor(at / n)] += 1;
  return found;
}

/** For each level from 0 to `layers`: 1 at the places from which something reaches q at the top. */
export function cone(lists, n, q, layers) {
  const levels = [Uint8Array.from({ length: n }, (_, at) => (at === q ? 1 : 0))];
  for (let layer = layers - 1; layer >= 0; layer--) {
    const below = levels[0].slice();
    levels[0].forEach((active, at) => {
      if (active) for (const k of lists[layer % lists.length][at]) below[k] = 1;
    });
    levels.unshift(below);
  }
  return levels;
}

/** The places that lead from k to q in `layers` layers, level by level, with the fewest hops. */
export function route(lists, n, k, q, layers) {
  let hops = new Float64Array(n).fill(Infinity);
  hops[k] = 0;
  const from = [];
  for (let layer = 0; layer < layers; layer++) {
    const list = lists[layer % lists.length], next = hops.slice(), came = new Uint16Array(n);
    for (let at = 0; at < n; at++) {
      came[at] = at; // it waits
      for (const key of list[at])
        if (hops[key] + 1 < next[at]) {
          next[at] = hops[key] + 1;
          came[at] = key;
        }
    }
    from.push(came);
    hops = next;
  }
  if (hops[q] === Infinity) return null;
  const places = [q];
  for (const came of from.reverse()) places.unshift(came[places[0]]);
  return places;
}

/** Everything that follows from a mask and not from what is pointed at. */
export function network(setup) {
  const { n } = setup, found = masks(setup), lists = found.map((one) => keys(one, n));
  const rows = found.map((one) => costs(one, n));
  return { masks: found, lists, costs: rows, distance: distances(lists, n) };
}

/** Entries of all layers together, and what as many dense layers would have. */
export function stack(network, { n, n_layer }) {
  const each = network.masks.map(entries), dense = (n * (n + 1)) / 2;
  let sum = 0;
  for (let layer = 0; layer < n_layer; layer++) sum += each[layer % each.length];
  return { each, dense, sum, all: n_layer * dense };
}

/** How many times as many entries the stack has when the text is twice as long, and a dense one. */
export function growth(setup) {
  const { pattern, n, n_layer } = setup;
  const sum = (size) => {
    const each = pattern.map((name) => entries(mask(name, { ...setup, n: size })));
    return Array.from({ length: n_layer }, (_, i) => each[i % each.length]).reduce((a, b) => a + b);
  };
  return { own: sum(2 * n) / sum(n), dense: (2 * (2 * n + 1)) / (n + 1) };
}

/** What is wrong with a mask: cells in the future, the tokens that see the very token they have to
    predict after all layers, and queries that may read nothing. */
export function faults({ masks: all, costs: rows, distance }, { n, n_layer }) {
  const leaks = [], cheats = [], empty = new Set();
  for (const one of all)
    for (let q = 0; q < n; q++)
      for (let k = q + 1; k < n; k++) if (one[q * n + k]) leaks.push([q, k]);
  for (let q = 0; q + 1 < n; q++) if (distance[q * n + q + 1] <= n_layer) cheats.push(q);
  for (const row of rows) row.forEach((cost, q) => cost || empty.add(q));
  return { leaks, cheats, empty: [...empty].sort((a, b) => a - b) };
}

/** What a prediction gets as an answer: is it right, and what the guessed layers really do. */
export function judge(guess, { n, window } = QUESTION) {
  const most = LIMITS.n_layer[1], step = window - 1, needed = Math.ceil((n - 1) / step);
  if (!Number.isInteger(guess) || guess < 1 || guess > most)
    return { right: false, layers: null, text: `A whole number from 1 to ${most}, please.` };
  const back = guess * step, own = `a window of ${window} counts the token itself`;
  const way = `token 0 is ${n - 1} places away`;
  const carried = `a layer carries what a token knows ${step} places further`;
  if (guess === needed) {
    const text = `Yes. Since ${own}, ${carried}, and ${way}: ${guess} layers, ${back} places. ` +
      "Follow the line below from hop to hop.";
    return { right: true, layers: guess, text };
  }
  if (guess > needed) {
    const text = `That is enough, but fewer layers do it: ${way}, and ${carried}. Try again.`;
    return { right: false, layers: guess, text };
  }
  const why = guess * window === n ? `Careful: ${own}, so ${carried}` : `Not yet: ${carried}`;
  const text = `${why}. ${guess} × ${step} = ${back}, as far back as token ${n - 1 - back}. ` +
    "See where the blue ends below, and try again.";
  return { right: false, layers: guess, text };
}

/** The cell under a point of a picture `side` wide, or null outside. */
export function cellAt(x, y, side, n) {
  const k = Math.floor((x / side) * n), q = Math.floor((y / side) * n);
  return k >= 0 && q >= 0 && k < n && q < n ? { q, k } : null;
}

/** The cells of a stroke from one cell to another, without the first. */
export function stroke(from, to) {
  const steps = Math.max(Math.abs(to.q - from.q), Math.abs(to.k - from.k));
  const at = (name, i) => Math.round(from[name] + (i * (to[name] - from[name])) / steps);
  return Array.from({ length: steps }, (_, i) => ({ q: at("q", i + 1), k: at("k", i + 1) }));
}

/** The cell that a key of the keyboard leads to, or null for other keys. */
export function moved(key, { q, k }, n) {
  const leap = Math.max(1, Math.round(n / 8));
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  Object.assign(steps, { PageUp: [-leap, 0], PageDown: [leap, 0], Home: [0, -n], End: [0, n] });
  const within = (value) => Math.max(0, Math.min(n - 1, value));
  return key in steps ? { q: within(q + steps[key][0]), k: within(k + steps[key][1]) } : null;
}

/** A setup that a mask can be made of, whatever the state holds. */
export function sound(given) {
  const within = (value, [low, high]) => Math.max(low, Math.min(high, Math.round(value)));
  const n = within(given.n, LIMITS.n), window = within(given.window, [1, n]);
  return {
    n,
    window,
    summary: within(given.summary, [1, window]),
    n_layer: within(given.n_layer, LIMITS.n_layer),
    pattern: given.pattern.filter((name) => name in PATTERNS),
    painted: given.painted ?? [],
    token: within(given.token, [0, n - 1]),
    key: within(given.key, [0, n - 1]),
  };
}

/** Cells of a mask as RGB and strength: blue in the past, vermilion in the future, grey closed. */
export function pixels(strength, n, { open, leak, closed }) {
  const image = new Uint8ClampedArray(4 * n * n);
  for (let q = 0, at = 0; q < n; q++)
    for (let k = 0; k < n; k++, at += 4) {
      const share = strength[q * n + k];
      if (k > q && !share) continue; // the future is left clear
      const hue = k > q ? leak : open;
      for (let c = 0; c < 3; c++) image[at + c] = closed[c] + share * (hue[c] - closed[c]);
      image[at + 3] = 255;
    }
  return image;
}

/** How strong a cell is drawn that is reached after `far` of `layers` layers: 1 down to 0.3. */
export function strength(far, layers) {
  if (far > layers) return 0;
  return far <= 1 ? 1 : 1 - (0.7 * (far - 1)) / Math.max(1, layers - 1);
}

// ---------------------------------------------------------------- words

const count = (value) => value.toLocaleString("en");
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const plural = (value, word) => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

/** The rule of a pattern for a token q, with its numbers. */
export function rule(name, { window, summary }) {
  return {
    dense: "all k ≤ q",
    banded: `k ≤ q with q − k < ${window}`,
    strided: `k ≤ q with q − k a multiple of ${window}`,
    block: `k ≤ q in the same block of ${window}`,
    fixed: `k ≤ q in the same block of ${window}, or k mod ${window} ≥ ${window - summary}`,
  }[name];
}

/** What to notice about a stack. */
export function notice(pattern) {
  const texts = {
    dense: "One layer is enough for every token to reach every later one. The price: row q has " +
      "q + 1 entries, so twice the text costs about four times as much.",
    banded: "No row costs more than the window, however long the text. The price: a layer " +
      "carries what a token knows only l − 1 places further, and far tokens need many layers.",
    strided: "Alone, this pattern reaches only tokens a multiple of the stride away, however " +
      "many layers there are: look at all layers together and see the stripes stay. Sparse " +
      "Transformer (§4.3) pairs it with a band.",
    block: "Nothing ever leaves its block, however many layers there are. Compare with fixed, " +
      "which adds columns that all later tokens may read.",
    fixed: "The last places of each block are read by all later tokens. What a token knows is " +
      "handed on there, and two layers are enough to bring it to everybody later " +
      "(Sparse Transformer, §4.3).",
    "dense,banded": "A dense layer keeps every earlier token one hop away; a banded one costs " +
      "less. Every other layer is dense, so the cost still grows with the square of the length. " +
      "GPT-3 (§2.1) says that the two alternate, and neither how wide the band is nor which " +
      "comes first.",
    "banded,strided": "Neither layer alone brings every token to every later one, both together " +
      "do: the band to a place that the stride stops at, the stride the rest of the way. With l " +
      "near √n a row has at most about √n keys, a layer about n √n entries, and two layers are " +
      "still enough (Sparse Transformer, §4.2).",
  };
  const others = "Look at all layers together: the paler a cell, the more layers it takes.";
  return texts[pattern.join()] ?? others;
}

/** Which layers a name of the pattern stands for. */
export function layersOf(index, period, n_layer) {
  const found = [];
  for (let layer = index; layer < n_layer; layer += period) found.push(layer);
  if (period === 1 || !found.length) return period === 1 ? "every layer" : "no layer";
  const shown = found.length > 3 ? `${found[0]}, ${found[1]} …` : found.join(", ");
  return `layer${found.length > 1 ? "s" : ""} ${shown}`;
}

/** The way of key k to query q in words: `far` layers; `places` is a route or null. */
export function wayInWords(k, q, far, layers, places, secret = false) {
  if (k === q) return `Token ${q} keeps what it has: no hop is needed.`;
  if (far === NEVER)
    return k > q
      ? `Token ${k} comes after token ${q} and never reaches it.`
      : `Token ${k} never reaches token ${q}, however many layers there are.`;
  if (far > layers) {
    const takes = secret ? "" : `: it takes ${far}`;
    return `Token ${k} does not reach token ${q} in ${plural(layers, "layer")}${takes}.`;
  }
  const stops = places.filter((at, i) => at !== places[i - 1]);
  const shown = stops.length > 12 ? [...stops.slice(0, 6), "…", ...stops.slice(-3)] : stops;
  return `${shown.join(" → ")}: ${plural(stops.length - 1, "hop")}, ${plural(far, "layer")}.`;
}

/** What is wrong with a painted mask, in words; "" if nothing is. */
export function warning({ leaks, cheats, empty }, n_layer) {
  const texts = [], more = (all) => (all.length > 1 ? ` and ${all.length - 1} more` : "");
  if (leaks.length) {
    const [q, k] = leaks[0], others = leaks.length - 1;
    const rest = others ? `, and so do ${plural(others, "other cell")}` : "";
    texts.push(`The future leaks: token ${q} reads token ${k}${rest}.`);
    texts.push(cheats.length
      ? `In ${plural(n_layer, "layer")}, token ${cheats[0]}${more(cheats)} can see the very ` +
        "token that has to be predicted there: in training the answer can be copied."
      : "No token sees the very next one, but what comes later is no longer hidden.");
  }
  if (empty.length)
    texts.push(`Token ${empty[0]}${more(empty)} may read nothing: a softmax over no scores has ` +
      "no sum to divide by.");
  return texts.join(" ");
}

// ---------------------------------------------------------------- the page

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SLIDERS = { n: "tokens n", window: "window l", summary: "summary c", n_layer: "layers" };

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, peek: null, shown: 0, painting: false, drawn: {} };
  const { n, window } = QUESTION;
  view.guess = h("input", { type: "text", inputmode: "numeric", size: 3 });
  view.guess.ariaLabel = "Number of layers";
  view.verdict = h("p", { class: "verdict", role: "status" });
  const question = `${n} tokens, every layer banded with window ${window}: after how many layers ` +
    "can the last token know something of token 0?";
  view.form = h("form", {}, h("p", {}, h("strong", {}, "Predict first. "), question));
  const attempt = h("button", { type: "submit" }, "Try it");
  view.form.append(h("div", {}, view.guess, attempt), view.verdict);
  view.choice = h("select");
  const given = model.get("pattern").join(), own = `${given.replaceAll(",", ", ")} in turn`;
  for (const [name, text] of Object.entries({ ...STACKS, [given]: STACKS[given] ?? own }))
    view.choice.append(h("option", { value: name }, text));
  view.rule = h("p", { class: "gpt-quiet rule" });
  view.controls = h("div", { class: "controls" });
  view.sliders = {};
  for (const [name, text] of Object.entries(SLIDERS)) {
    const [min, max] = LIMITS[name], value = h("b"); // an output would take the label
    const input = h("input", { type: "range", min, max });
    const label = h("label", {}, h("span", {}, `${text} `, value), input);
    view.controls.append(label);
    view.sliders[name] = { label, input, value };
  }
  view.modes = h("div", { class: "modes", role: "group", "aria-label": "Which mask is shown" });
  view.canvas = h("canvas", { "aria-hidden": "true" });
  view.over = h("div", { class: "over", "aria-hidden": "true" });
  view.bars = h("canvas", { class: "bars", "aria-hidden": "true" });
  view.matrix = h("div", { class: "matrix", role: "application", tabindex: 0 });
  view.matrix.append(view.canvas, view.over);
  view.paint = h("button", { type: "button" }, "Paint cells");
  view.clear = h("button", { type: "button" }, "Clear paint");
  view.hint = h("p", { class: "gpt-quiet hint" });
  view.warn = h("p", { class: "warn", role: "status" });
  view.layers = h("canvas", { "aria-hidden": "true" });
  view.way = h("p", { class: "way" });
  view.field = h("p", { class: "gpt-quiet" });
  view.facts = h("div", { class: "facts" });
  view.title = h("p", { class: "title" });
  view.lead = h("p", { class: "title" });
  view.told = h("span");
  view.said = h("p", { class: "gpt-unseen", "aria-live": "polite" });
  const pictures = h("div", { class: "pictures" }, view.matrix, view.bars);
  view.axes = h("p", { class: "gpt-quiet axes" });
  view.key = h("p", { class: "gpt-quiet about" });
  const left = h("div", { class: "left" }, view.title, view.modes, pictures, view.axes);
  left.append(h("div", { class: "tools" }, view.paint, view.clear), view.hint, view.warn);
  const lattice = h("div", { class: "lattice" }, view.layers);
  const right = h("div", { class: "right" }, view.lead, lattice, view.key, view.field, view.way);
  view.root = h("div", { class: "gpt-explorer gpt-masks" });
  const aside = "Entries are scores that a head has to compute. A mask over a dense matrix saves " +
    "none of them; a kernel that skips closed cells does.";
  view.root.append(view.form, h("label", { class: "choice" }, "Pattern ", view.choice), view.rule);
  view.root.append(view.controls, h("div", { class: "panels" }, left, right), view.facts);
  view.root.append(h("p", { class: "gpt-quiet aside" }, aside));
  view.root.append(h("p", {}, h("strong", {}, "What to notice. "), view.told), view.said);
  return view;
}

/** What is chosen now, and what follows from it; a network is worked out once. */
function chosen(view) {
  const { model, peek, drawn } = view;
  const names = ["n", "window", "summary", "n_layer", "pattern", "painted", "token", "key"];
  const now = sound(Object.fromEntries(names.map((name) => [name, model.get(name)])));
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
  say(view, now);
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
    const button = modes.children[i] ?? modes.appendChild(h("button", { type: "button" }));
    button.textContent = text;
    button.ariaPressed = `${i === now.shown}`;
  }
  view.paint.ariaPressed = `${view.painting}`;
  view.paint.disabled = now.all;
  view.clear.disabled = !now.painted.length;
  view.matrix.classList.toggle("painting", view.painting && !now.all);
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
  const small = document.createElement("canvas");
  small.width = small.height = n;
  const image = pixels(share, n, colours(view));
  small.getContext("2d").putImageData(new ImageData(image, n), 0, 0);
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  if (!side) return;
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d"), gap = Math.ceil(devicePixelRatio);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, side, side);
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
  const rgb = (name) => {
    view.said.style.color = `var(${name})`;
    return getComputedStyle(view.said).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  };
  return Object.fromEntries(Object.entries(names).map(([name, hue]) => [name, rgb(hue)]));
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
  const box = (name, x, y, width, height) => {
    const element = h("div", { class: name });
    const sides = { left: x, top: y, width, height };
    for (const [side, cells] of Object.entries(sides))
      element.style[side] = `${(100 * cells) / n}%`;
    return element;
  };
  view.over.replaceChildren(box("across", 0, q, n, 1), box("cell", k, q, 1, 1));
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

/** The stretches of ones in a level, as [from, to). */
export function runs(level) {
  const found = [];
  level.forEach((active, at) => {
    if (!active) return;
    if (found.at(-1)?.[1] === at) found.at(-1)[1] = at + 1;
    else found.push([at, at + 1]);
  });
  return found;
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

/** Tell a screen reader what is chosen, once the reader has come to rest. */
function say(view, { q, k, net, n, shown, all }) {
  const cell = all ? "" : net.masks[shown][q * n + k] ? "may read" : "may not read";
  const first = cell && `Token ${q} ${cell} token ${k}. `;
  const rest = [`${view.lead.textContent}.`, view.way.textContent, view.field.textContent];
  const text = first + rest.join(" ");
  clearTimeout(view.saying);
  if (text !== view.said.textContent)
    view.saying = setTimeout(() => (view.said.textContent = text), 400);
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
  const next = moved(event.key, at, now.n);
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
    const { left, top, width } = canvas.getBoundingClientRect();
    return cellAt(event.clientX - left, event.clientY - top, width, chosen(view).n);
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
  const { model, matrix, choice, sliders, modes, paint, clear, form, guess, verdict } = view;
  listenToPointer(view);
  matrix.addEventListener("keydown", (event) => onMaskKey(view, event));
  choice.addEventListener("change", () => {
    view.shown = 0;
    choose(view, { pattern: choice.value.split(","), painted: [] });
  });
  for (const [name, { input }] of Object.entries(sliders))
    input.addEventListener("input", () => resize(view, name, +input.value));
  modes.addEventListener("click", (event) => {
    const index = [...modes.children].indexOf(event.target.closest("button"));
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
    verdict.classList.toggle("right", right);
    view.solved ||= right;
    if (layers === null) return;
    const { n, window } = QUESTION;
    view.shown = 0;
    const sizes = { n, window, n_layer: layers, pattern: ["banded"], painted: [] };
    choose(view, { ...sizes, token: n - 1, key: 0 });
  });
  for (const name of ["n", "window", "summary", "n_layer", "pattern", "painted", "token", "key"])
    model.on(`change:${name}`, () => later(view));
}

export default {
  render({ model, el }) {
    const view = build(model);
    el.append(view.root);
    listen(view);
    const again = () => {
      view.drawn.fresh = true;
      update(view);
    };
    again();
    const size = new ResizeObserver(again);
    size.observe(view.matrix);
    const theme = new MutationObserver(again);
    for (const place of [document.documentElement, document.body])
      theme.observe(place, { attributes: true });
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", again);
    return () => {
      size.disconnect();
      theme.disconnect();
      system.removeEventListener("change", again);
    };
  },
};
