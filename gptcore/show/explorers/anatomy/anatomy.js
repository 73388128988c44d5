// Anatomy: a GPT from tokens to logits, one block drawn for all of them. A part that is chosen tells
// its shapes, parameters, FLOPs, code and papers; areas show where the parameters, or the FLOPs, are.
//
// Every number comes from Python. What is worked out here: places on the page, shares, and how a
// number is written.

import { button, choose, h, hit, idFor, later, mount, s, unseen } from "../shared/kit.js";
import {
  commented, costs, diagram, exact, fitting, flopsOf, groupsOf, leavesOf, lengthAt, letters, partFor,
  percent, shapeOf, short, SUM, times, treemap,
} from "./places.js";

// ---------------------------------------------------------------- elements

/** A line through points, its corners rounded. */
function path(points) {
  const parts = [`M${points[0]}`];
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const near = ([a, b]) => {
      const length = Math.hypot(a - x, b - y), r = Math.min(7, length / 2) / length;
      return [x + (a - x) * r, y + (b - y) * r];
    };
    parts.push(`L${near(points[i - 1])}`, `Q${x},${y} ${near(points[i + 1])}`);
  }
  return `${parts.join("")}L${points.at(-1)}`;
}

/** The point of an arrow at the end of a line. */
function arrow([[x0, y0], [x, y]]) {
  const [dx, dy] = [Math.sign(x - x0), Math.sign(y - y0)];
  const corner = (side) => [x - 6 * dx + 3.6 * side * dy, y - 6 * dy + 3.6 * side * dx];
  return s("path", { class: "an-arrow", d: `M${[x, y]}L${corner(1)}L${corner(-1)}Z` });
}

/** All elements, still empty; `view` holds them and what the model does not know. */
function build(model) {
  const view = { model, drawn: {}, id: idFor("anatomy") };
  view.preset = h("select");
  view.other = h("select");
  view.swap = button("⇄", null, { "aria-label": "Exchange the two networks" });
  view.sizes = h("p", { class: "an-sizes" });
  view.note = h("p", { class: "gpt-quiet" });
  const label = "Parts in the order of the data flow; arrows walk along them";
  view.diagram = s("svg", { class: "an-diagram", role: "listbox", tabindex: 0, "aria-label": label });
  view.back = button("↑", null, { "aria-label": "The part before" });
  view.on = button("↓", null, { "aria-label": "The next part" });
  view.name = h("p", { class: "an-name" });
  view.brief = h("p", { class: "an-brief", "aria-hidden": "true" }); // for phones; the table says more
  view.table = h("table");
  view.length = h("input", { type: "range", min: 0, step: 1, "aria-label": "T, tokens in the text" });
  view.told = h("output");
  view.more = h("div", { class: "an-more" });
  view.areas = h("div", { class: "an-areas" });
  view.measure = h("select");
  view.measure.append(h("option", { value: "parameters" }, "parameters"));
  view.measure.append(h("option", { value: "flops" }, "FLOPs per token"));
  view.question = h("div", { class: "an-question" });
  view.answer = h("p", { class: "an-answer" });
  view.maps = h("div", { class: "an-maps" });
  view.changes = h("div", { class: "an-changes" });
  view.said = unseen();
  const choice = (name, ...control) => h("label", {}, `${name} `, ...control);
  const head = h("div", { class: "an-head" }, view.name, view.back, view.on, view.brief);
  view.shows = choice("Areas show", view.measure);
  view.shows.className = "an-bar";
  view.areas.append(view.question, view.answer, view.shows, view.maps);
  view.root = h("div", { class: "gpt-explorer gpt-anatomy" });
  view.root.append(
    h("div", { class: "an-bar" }, choice("Network", view.preset), choice("Compare with", view.other), view.swap),
    h("div", {}, view.sizes, view.note),
    h("div", { class: "an-main" }, view.diagram, h("div", { class: "an-side" }, head, view.table, view.more)),
    h("label", { class: "an-length" }, h("span", {}, "Length of the text"), view.length, view.told),
    ...[view.areas, view.changes],
    h("p", { class: "gpt-quiet" }, model.get("rule")),
    view.said,
  );
  view.update = () => update(view);
  return view;
}

/** What is chosen now, whatever the model holds. */
function chosen({ model }) {
  const networks = model.get("presets"), flows = model.get("flows");
  const named = (name) => networks.find((network) => network.name === name);
  const read = (network) => {
    if (!network) return null;
    const at = lengthAt(network, model.get("tokens")), flow = flows[network.norm];
    return { network, flow, at, T: network.lengths[at], flops: flopsOf(network, flow, at) };
  };
  const one = read(named(model.get("preset")) ?? networks[0]);
  const named_other = named(model.get("other"));
  const two = named_other === one.network ? null : read(named_other);
  const id = model.get("part"); // a network without ln_f shows what does its work there
  const index = one.flow.findIndex((part) => part.id === id);
  const near = one.flow.findIndex((part) => part.id === "ln_2");
  const part = one.flow[index < 0 ? Math.max(0, near) : index];
  return { networks, one, two, part, index: one.flow.indexOf(part) };
}

/** Bring the page to what is chosen. */
function update(view) {
  const now = chosen(view), { drawn, model } = view;
  const pair = `${now.one.network.name} ${now.two?.network.name}`;
  if (drawn.pair !== pair) fillChoices(view, now);
  if (drawn.network !== now.one.network || drawn.T !== now.one.T) drawDiagram(view, now.one);
  Object.assign(drawn, { pair, network: now.one.network, T: now.one.T });
  mark(view, now);
  fillFacts(view, now);
  fillMore(view, now);
  tellLength(view, now);
  fillAreas(view, now);
  fillChanges(view, now);
  const line = spoken(now);
  if (view.said.textContent !== line && drawn.said) view.said.textContent = line;
  drawn.said = model.get("part");
}

function fillChoices({ preset, other, swap, sizes, note }, { networks, one, two }) {
  const option = ({ name, title, total }) => h("option", { value: name }, `${title} · ${short(total)}`);
  preset.replaceChildren(...networks.map(option));
  preset.value = one.network.name;
  const others = networks.filter((network) => network !== one.network);
  other.replaceChildren(h("option", { value: "" }, "none"), ...others.map(option));
  other.value = two?.network.name ?? "";
  other.disabled = !others.length;
  swap.hidden = !two;
  const { title, total, norm, sizes: n } = one.network;
  const where = norm === "post" ? "post-LN" : "pre-LN";
  const facts = `${exact(n.L)} blocks, ${where} · width C = ${exact(n.C)} · H = ${exact(n.H)} heads of `;
  const rest = `D = ${exact(n.D)} · context ${exact(n.n_ctx)} · vocabulary V = ${exact(n.V)}`;
  const whole = ` · ${facts}${rest}`.replaceAll(" = ", "\u00a0=\u00a0");
  sizes.replaceChildren(h("b", {}, `${title}: ${exact(total)} parameters`), whole);
  note.textContent = one.network.note;
}

// ---------------------------------------------------------------- the diagram

/** What stands in a box under its name: the shape that leaves it, or which pattern it has. */
function under(part, network, T) {
  if (!part.inside.length) return shapeOf(part.makes, network, T);
  return `${network.patterns.join(" and ")}${network.patterns.length > 1 ? " in turn" : ", all layers"}`;
}

function drawDiagram(view, { network, flow, T }) {
  const { diagram: svg } = view, places = diagram(flow);
  svg.setAttribute("viewBox", `0 0 ${places.width} ${places.height}`);
  const { frame } = places;
  const edges = ["x", "y", "width", "height"];
  const size = (box) => Object.fromEntries(edges.map((name) => [name, box[name]]));
  const children = [s("path", { class: "an-tie", d: path(places.tie) })];
  if (frame) {
    children.push(s("rect", { class: "an-frame", rx: 10, ...size(frame) }));
    const [x, y] = [frame.x + frame.width - 12, frame.y + 18];
    const repeated = `× ${exact(network.sizes.L)} block${network.sizes.L > 1 ? "s" : ""}`;
    children.push(s("text", { class: "an-repeat", x, y, "text-anchor": "end" }, repeated));
  }
  for (const points of places.wires)
    children.push(s("path", { class: "an-wire", d: path(points) }), arrow(points.slice(-2)));
  view.parts = flow.map((part) => {
    const box = places.boxes.find(({ id }) => id === part.id), { x, y, width, height } = box;
    const g = s("g", { class: `an-part an-of-${part.kind}`, role: "option", id: `${view.id}-${part.id}` });
    g.setAttribute("aria-description", part.path); // beside the name, which stands in the box
    g.dataset.id = part.id;
    const [cx, cy] = [x + width / 2, y + height / 2];
    if (part.place === "sum") {
      g.append(s("circle", { class: "an-hit", cx, cy, r: 20 }), s("circle", { cx, cy, r: SUM / 2 }));
      g.ariaLabel = part.name;
      g.append(s("path", { class: "an-plus", d: `M${cx - 5},${cy}h10M${cx},${cy - 5}v10` }));
      return g;
    }
    g.append(s("rect", { rx: 6, ...size(box) }));
    g.append(s("text", { x: cx, y: cy - 3 }, part.name));
    g.append(s("text", { class: "an-under", x: cx, y: cy + 13 }, under(part, network, T)));
    return g;
  });
  svg.replaceChildren(...children, ...view.parts);
}

/** The chosen part, in the diagram and among the areas. */
function mark(view, { part, index, one }) {
  for (const g of view.parts) g.ariaSelected = `${g.dataset.id === part.id}`;
  view.diagram.setAttribute("aria-activedescendant", `${view.id}-${part.id}`);
  view.back.disabled = index === 0;
  view.on.disabled = index === one.flow.length - 1;
}

// ---------------------------------------------------------------- the part

/** The rows about a part: [what, in letters, value in each network]. */
export function rowsOf(part, sides) {
  const each = (write) => sides.map((side) => (side?.part ? write(side) : "–"));
  const rows = [["in", letters(part.reads), each((a) => shapeOf(a.part.reads, a.network, a.T))]];
  if (part.inside.length)
    rows.push(["weights", letters(part.inside), each((a) => shapeOf(a.part.inside, a.network, a.T))]);
  rows.push(["out", letters(part.makes), each((a) => shapeOf(a.part.makes, a.network, a.T))]);
  for (const [name, shape] of Object.entries(part.weights))
    rows.push([name, letters(shape), each((a) => shapeOf(shape, a.network, a.T))]);
  if (part.inside.length) {
    const mean = (a) => a.network.keys[a.at].toLocaleString("en", { maximumFractionDigits: 1 });
    rows.push(["keys read, on average", "", each(mean), "number"]);
  }
  for (const [key, name, whole] of [
    ["parameters", "parameters", (a) => a.network.total],
    ["flops", "FLOPs per token", (a) => a.flops],
  ]) {
    const value = (a) => costs(a.network, a.part, a.at);
    const note = key === "flops" ? part.rule : "";
    rows.push([name, note, each((a) => exact(value(a).one[key])), "number"]);
    if (!sides.some((a) => a?.part && value(a).all[key])) continue;
    if (part.in_block) {
      const blocks = sides.map((a) => a && exact(a.network.sizes.L)).join(" or ");
      const what = sides[1] ? "in all blocks" : `in ${blocks} blocks`;
      rows.push([what, "", each((a) => exact(value(a).all[key])), "number"]);
    }
    rows.push(["of the whole", "", each((a) => percent(value(a).all[key], whole(a))), "number"]);
  }
  return rows;
}

function fillFacts({ name, table, brief }, { one, two, part }) {
  name.replaceChildren(h("b", {}, part.name), h("code", {}, part.path));
  const { all } = costs(one.network, part, one.at), { total } = one.network;
  const held = `${exact(all.parameters)} parameters, ${percent(all.parameters, total)}`;
  const spent = `${short(all.flops)} FLOPs per token, ${percent(all.flops, one.flops)}`;
  brief.replaceChildren(h("span", {}, held), h("span", {}, spent));
  const twin = two?.flow.find(({ id }) => id === part.id);
  const sides = [{ ...one, part }, ...(two ? [{ ...two, part: twin }] : [])];
  const body = rowsOf(part, sides).map(([what, note, values, kind]) => {
    const head = h("th", { scope: "row" }, what, ...(note ? [" ", h("span", {}, note)] : []));
    const changed = values.length > 1 && values[0] !== values[1];
    const cells = values.map((value) => h("td", kind ? { class: `an-${kind}` } : {}, value));
    return h("tr", changed ? { class: "an-changed" } : {}, head, ...cells);
  });
  const titles = sides.map(({ network }) => h("th", { scope: "col" }, network.title));
  const head = two ? [h("thead", {}, h("tr", {}, h("td"), ...titles))] : [];
  table.replaceChildren(...head, h("tbody", {}, ...body));
}

function fillMore({ more, drawn }, { one, part }) {
  const key = `${one.network.name} ${part.id}`;
  if (drawn.more === key) return;
  drawn.more = key;
  const { family, pattern } = one.network, paper = family.replace("gpt", "GPT-");
  const section = part.sections[family];
  const said = /^(§|Fig|Tab)/.test(section) ? `${paper} ${section}` : `${paper}: ${section}`;
  const code = part.code.map(({ file, where, line, text }) => {
    const rows = text.split("\n").map((row, i) => {
      const [says, comment] = commented(row);
      const words = comment ? [says, h("i", {}, comment)] : [says || " "];
      return [h("span", { "aria-hidden": "true" }, `${line + i}`), h("code", {}, ...words)];
    });
    const head = h("p", {}, `${file}, `, h("b", {}, where));
    return h("div", { class: "an-code" }, head, h("div", { class: "an-rows" }, ...rows.flat()));
  });
  const patterns = part.inside.length ? [h("p", {}, `Who may look at whom: ${pattern}.`)] : [];
  more.replaceChildren(
    ...[h("p", {}, part.what), ...patterns],
    h("p", { class: "an-paper" }, said),
    ...code,
  );
}

function tellLength({ length, told }, { one }) {
  const { network, at, T, flops } = one, last = network.lengths.length - 1;
  length.max = last;
  length.value = at;
  length.disabled = last === 0;
  const all = at === last ? ", the whole context" : "";
  const text = `T = ${exact(T)} tokens${all}: ${short(flops)} FLOPs per token`;
  told.textContent = text;
  length.setAttribute("aria-valuetext", text);
}

// ---------------------------------------------------------------- the areas

function fillAreas(view, now) {
  const { model, question, answer, maps, measure, areas, shows } = view, { one, two, part } = now;
  const guess = model.get("guess"), open = guess !== "", what = model.get("measure");
  measure.value = what;
  question.hidden = open;
  for (const element of [shows, answer, maps]) element.hidden = !open;
  if (!open) return ask(view, one);
  const sides = [one, ...(two ? [two] : [])];
  const first = groupsOf(leavesOf(one.network, one.flow, "parameters", one.at));
  answer.textContent = `${verdict(guess, first, one.network)} ${lesson(one)}`;
  const key = JSON.stringify([sides.map(({ network, T }) => [network.name, T]), what, areas.clientWidth]);
  if (view.drawn.maps !== key) {
    view.drawn.maps = key;
    const narrow = areas.clientWidth < 560 || !two;
    const width = Math.max(120, narrow ? areas.clientWidth : (areas.clientWidth - 16) / 2);
    const height = Math.round(Math.min(300, Math.max(200, width * 0.5)));
    maps.replaceChildren(...sides.map((side) => drawMap(side, what, { x: 0, y: 0, width, height })));
  }
  for (const g of maps.querySelectorAll(".an-leaf")) g.classList.toggle("an-on", g.dataset.id === part.id);
  for (const b of maps.querySelectorAll("button")) b.ariaPressed = `${b.dataset.group === part.group}`;
}

/** The question that hides the areas until it is answered, or left. */
function ask(view, { network }) {
  if (view.drawn.asked === network.name) return;
  view.drawn.asked = network.name;
  const names = Object.keys(network.groups);
  const title = `Predict first: which part of ${network.title} holds most of its parameters?`;
  const offer = (name, text) => button(text, null, { "data-guess": name });
  const buttons = names.map((name) => offer(name, name));
  view.question.replaceChildren(
    h("p", {}, h("b", {}, title)),
    h("div", { class: "an-bar" }, ...buttons, offer("–", "Show me")),
  );
}

/** What the counts say to a guess. */
export function verdict(guess, groups, { title, total }) {
  const [[name, value]] = groups, mine = groups.find(([group]) => group === guess)?.[1] ?? 0;
  const most = `${name} holds ${exact(value)} of ${exact(total)} parameters, ${percent(value, total)}`;
  if (guess === name) return `Yes: in ${title}, ${most}.`;
  if (guess === "–") return `In ${title}, ${most}.`;
  return `You said ${guess}: ${percent(mine, total)}. In ${title}, ${most}.`;
}

/** What the token table holds, and what it costs. */
function lesson({ network, flow, at, T, flops }) {
  const of = (id) => costs(network, flow.find((part) => part.id === id), at).all;
  const held = percent(of("wte").parameters, network.total), spent = percent(of("logits").flops, flops);
  return (
    `The token table holds ${held}. Picking its rows costs no FLOPs; as the output matrix it takes ` +
    `${spent} of them at T = ${exact(T)}.`
  );
}

function drawMap({ network, flow, at, T, flops }, measure, room) {
  const whole = measure === "flops" ? flops : network.total;
  const leaves = leavesOf(network, flow, measure, at);
  const unit = measure === "flops" ? `FLOPs per token at T = ${exact(T)}` : "parameters";
  const { width, height } = room;
  const svg = s("svg", { class: "an-map", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const leaf of treemap(leaves, room)) {
    const g = s("g", { class: `an-leaf an-of-${leaf.kind}` });
    g.dataset.id = leaf.id;
    const share = percent(leaf.value, whole);
    const inset = Math.min(1, leaf.width / 4, leaf.height / 4); // a gap, within its own area
    const [w, t] = [leaf.width - 2 * inset, leaf.height - 2 * inset];
    const at = { x: leaf.x + inset, y: leaf.y + inset, width: w, height: t };
    g.append(s("title", {}, `${leaf.name}: ${exact(leaf.value)} ${unit}, ${share}`));
    g.append(s("rect", { rx: Math.min(3, w / 4, t / 4), ...at }));
    const copies = flow.find(({ id }) => id === leaf.id).in_block ? ` × ${exact(network.sizes.L)}` : "";
    const last = leaf.path.split(".").at(-1);
    const lines = fitting([`${leaf.name}${copies}`, leaf.name, last], share, leaf);
    for (const [i, line] of lines.entries()) {
      const y = leaf.y + 19 + 16 * i, kind = i ? { class: "an-under" } : {};
      g.append(s("text", { x: leaf.x + 7, y, ...kind }, line));
    }
    svg.append(g);
  }
  const list = groupsOf(leaves).map(([name, value, kind]) => {
    const made = button(h("i", { class: `an-of-${kind}` }));
    made.append(`${name} `, h("b", {}, percent(value, whole)));
    made.title = `${exact(value)} ${unit}`;
    Object.assign(made.dataset, { group: name, network: network.name });
    return made;
  });
  const head = `${network.title}: ${measure === "flops" ? short(whole) : exact(whole)} ${unit}`;
  const keys = h("div", { class: "an-keys" }, ...list);
  return h("div", {}, h("p", { class: "an-title" }, head), svg, keys);
}

// ---------------------------------------------------------------- two networks

/** What two networks have, row by row: [what, value, value, how often the first is in the second]. */
export function comparison(one, two) {
  const both = (write) => [write(one), write(two)];
  const count = (what, read) => {
    const [a, b] = both(read);
    return [what, exact(a), exact(b), a === b ? "" : times(a, b)];
  };
  const word = (what, read) => [what, ...both(read), ""];
  const sizes = { L: "blocks", C: "width C", H: "heads H", D: "width of a head D" };
  const more = { n_ctx: "context", V: "vocabulary V" };
  const shares = Object.keys(one.network.groups).map((group) =>
    word(`share of ${group}`, ({ network }) => percent(network.groups[group], network.total)),
  );
  const norms = { post: "behind each sum", pre: "before each sub-layer, and at the end" };
  const seen = ({ network }) => network.pattern.replace(/: [^;]*/g, "");
  const pace = ({ network, flops }) => (flops / network.total).toFixed(2);
  const spent = ({ flops }) => flops;
  const lengths = [...new Set(both(({ T }) => exact(T)))].join(" and ");
  return [
    ...Object.entries({ ...sizes, ...more }).map(([key, name]) => count(name, (a) => a.network.sizes[key])),
    word("LayerNorm", ({ network }) => norms[network.norm]),
    word("attention", seen),
    word("dropout in training", ({ network }) => `${network.dropout}`),
    count("parameters", ({ network }) => network.total),
    ...shares,
    [`FLOPs per token, T = ${lengths}`, ...both((a) => short(a.flops)), times(...both(spent))],
    word("FLOPs for each parameter", pace),
  ];
}

function fillChanges({ changes, drawn }, { one, two }) {
  const key = `${one.network.name} ${two?.network.name} ${one.T} ${two?.T}`;
  if (drawn.changes === key) return;
  drawn.changes = key;
  changes.hidden = !two;
  if (!two) return changes.replaceChildren();
  const head = ["", one.network.title, two.network.title, ""];
  const titles = head.map((title) => (title ? h("th", { scope: "col" }, title) : h("td")));
  const rows = comparison(one, two).map(([what, a, b, ratio]) => {
    const cells = [a, b].map((value) => h("td", {}, value));
    cells.push(h("td", { class: "an-number" }, ratio));
    const changed = a !== b ? { class: "an-changed" } : {};
    return h("tr", changed, h("th", { scope: "row" }, what), ...cells);
  });
  const caption = h("caption", {}, "What changes; what stays the same is grey");
  const top = h("thead", {}, h("tr", {}, ...titles));
  changes.replaceChildren(h("table", {}, caption, top, h("tbody", {}, ...rows)));
}

/** The chosen part as it is read aloud. */
function spoken({ one, two, part }) {
  const tell = ({ network, at, T, flops }) => {
    const { copies, one: each, all } = costs(network, part, at);
    const share = percent(all.parameters, network.total);
    const own = `${exact(each.parameters)} parameters${copies > 1 ? ` in each of ${copies} blocks` : ""}`;
    const spent = all.flops ? `, ${exact(all.flops)} FLOPs per token, ${percent(all.flops, flops)}` : "";
    return `${network.title}, ${shapeOf(part.makes, network, T)}: ${own}, ${share}${spent}.`;
  };
  const twin = two?.flow.some(({ id }) => id === part.id);
  return `${part.name}. ${tell(one)}${two ? ` ${twin ? tell(two) : `Not in ${two.network.title}.`}` : ""}`;
}

// ---------------------------------------------------------------- what the reader does

function step(view, key) {
  const { one, index } = chosen(view), next = partFor(key, index, one.flow.length);
  if (next !== null) choose(view, { part: one.flow[next].id });
  return next !== null;
}

function listen(view) {
  const { model, diagram: svg, preset, other, swap, length, measure, areas } = view;
  svg.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && step(view, event.key)) event.preventDefault();
  });
  svg.addEventListener("click", (event) => {
    const part = hit(event, ".an-part");
    if (part) choose(view, { part: part.dataset.id });
  });
  view.back.addEventListener("click", () => step(view, "ArrowUp"));
  view.on.addEventListener("click", () => step(view, "ArrowDown"));
  preset.addEventListener("change", () => choose(view, { preset: preset.value }));
  other.addEventListener("change", () => choose(view, { other: other.value }));
  swap.addEventListener("click", () => {
    const { one, two } = chosen(view);
    if (two) choose(view, { preset: two.network.name, other: one.network.name });
  });
  length.addEventListener("input", () => {
    const { lengths } = chosen(view).one.network, at = +length.value;
    choose(view, { tokens: at === lengths.length - 1 ? 0 : lengths[at] });
  });
  measure.addEventListener("change", () => choose(view, { measure: measure.value }));
  areas.addEventListener("click", (event) => {
    const guess = hit(event, "[data-guess]")?.dataset.guess;
    const leaf = hit(event, ".an-leaf")?.dataset.id;
    const group = hit(event, "[data-group]")?.dataset.group;
    if (guess) {
      choose(view, { guess });
      requestAnimationFrame(() => requestAnimationFrame(() => view.measure.focus({ preventScroll: true })));
    }
    if (leaf) choose(view, { part: leaf });
    if (group) choose(view, { part: largest(chosen(view), group, model.get("measure")) });
  });
}

/** The part of a group that holds most of it. */
function largest({ one }, group, measure) {
  const leaves = leavesOf(one.network, one.flow, measure, one.at);
  const own = leaves.filter((leaf) => leaf.group === group);
  return own.reduce((a, b) => (b.value > a.value ? b : a)).id;
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    const traits = ["presets", "flows", "preset", "other", "part", "tokens", "measure", "guess"];
    return mount(el, view, { traits, resized: () => later(view) });
  },
};
