// The sum behind a cell of a matrix, in words, products and tables.

import { along, h, pointing, small, within } from "../shared/kit.js";
import { cellOf, exponentials, FEW, pixels, reach, TABLE, terms, written } from "./numbers.js";

/** A table of terms: heads, rows of [name, …numbers, share of a bar or null], and a last row. */
function table(heads, rows, foot) {
  const cells = (tag, texts) => texts.map((text) => h(tag, {}, text));
  const body = rows.map(({ texts, bar, marked, leaks }) => {
    const line = h("tr", marked ? { class: "st-marked" } : {}, ...cells("td", texts));
    if (bar !== undefined) line.append(h("td", { class: "st-bar" }, h("i", { style: `--share: ${bar}` })));
    if (bar < 0 || leaks) line.lastChild.firstChild.className = leaks ? "st-leaks" : "st-minus";
    return line;
  });
  const line = h("tr", {}, ...cells("th", heads), h("th"));
  const end = h("tr", { class: "st-sum" }, ...cells("td", foot), h("td"));
  return h("table", {}, h("thead", {}, line), h("tbody", {}, ...body, end));
}

const title = (...parts) => h("p", { class: "st-made" }, ...parts);
const quote = (name) => h("q", {}, name);
const power = (text) => h("span", {}, "e", h("sup", {}, text));

function detailVector({ all, at, names, sizes, n }) {
  const { row, column } = cellOf(at.kind, at), width = at.kind === "v" ? sizes[1] : sizes[0];
  const name = { q: "query", k: "key", v: "value" }[at.kind];
  const value = h("b", {}, n(all[at.kind][row * width + column]));
  const where = ` (of ${width}, counted from 0): `;
  return [title(`Number ${at.j} of the ${name} of `, quote(names[row]), where, value)];
}

/** The table of a sum of products; `name` says what a term is called. */
function sumTable(heads, { shown, others, rest, total }, name, n) {
  const most = Math.max(...shown.map((t) => Math.abs(t.product)), Math.abs(rest), 1e-12);
  const rows = shown.map(({ i, a, b, product }) => {
    return { texts: [name(i), n(a), n(b), n(product)], bar: product / most };
  });
  if (others) rows.push({ texts: [`the other ${others}`, "", "", n(rest)], bar: rest / most });
  return table(["", ...heads], rows, ["sum", "", "", n(total)]);
}

function detailScore({ view, all, at, names, sizes: [D], n }) {
  const q = all.q.subarray(at.q * D, (at.q + 1) * D), k = all.k.subarray(at.k * D, (at.k + 1) * D);
  const sum = terms(q, k), total = h("b", {}, n(sum.total));
  return [
    title("Query of ", quote(names[at.q]), " · key of ", quote(names[at.k]), " = ", total),
    ...(D > FEW ? [stripsOf(view, q, k, n)] : []),
    sumTable(["q", "k", "q\u00a0×\u00a0k"], sum, (i) => `number ${i}`, n),
  ];
}

/** Query, key and their products as strips of colour; pointing reads the numbers. */
function stripsOf(view, q, k, n) {
  const product = q.map((value, i) => value * k[i]), D = q.length;
  const lines = [["q", q], ["k", k], ["q × k", product]].map(([name, values]) => {
    const canvas = small(pixels("q", values, D, reach(values), view.palette), 1, D);
    return h("div", {}, h("span", {}, name), canvas);
  });
  const mark = h("i"), told = h("p", { class: "st-told" });
  const box = h("div", { class: "st-strips", role: "application", tabindex: 0 }, ...lines, mark);
  box.ariaLabel = "Query, key and their products; left and right read the numbers";
  let at = within(view.kept.j, D);
  const show = (j) => {
    mark.style.setProperty("--at", (j + 0.5) / D);
    mark.style.setProperty("--wide", 1 / D);
    told.textContent = `number ${j}: ${n(q[j])} × ${n(k[j])} = ${n(product[j])}`;
  };
  const under = ({ clientX }) => {
    const { left, width } = lines[0].lastChild.getBoundingClientRect();
    return within(Math.floor(((clientX - left) / width) * D), D);
  };
  const keep = (j) => show((at = view.kept.j = j));
  pointing(box, { under, show: (j) => show(j ?? at), keep });
  box.addEventListener("keydown", (event) => {
    const to = along(event.key, at, D);
    if (to === null) return;
    event.preventDefault();
    keep(to);
    view.said.textContent = told.textContent;
  });
  show(at);
  return h("div", {}, box, told);
}

function detailScaled({ all, at, names, sizes: [D], n, T }) {
  const i = at.q * T + at.k, root = written(Math.sqrt(D), 3);
  const sum = `: ${n(all.scores[i])} ÷ ${root} = `, result = h("b", {}, n(all.scaled[i]));
  const divisor = Number.isInteger(Math.sqrt(D)) ? `√${D} = ${root}` : `√${D} ≈ ${root}`;
  const quiet = h("p", { class: "gpt-quiet" }, divisor);
  return [title(quote(names[at.q]), " → ", quote(names[at.k]), sum, result), quiet];
}

function detailMasked({ view, all, at, names, n, T }) {
  const i = at.q * T + at.k, before = n(all.scaled[i]), after = h("b", {}, n(all.masked[i]));
  const start = [quote(names[at.q]), " → ", quote(names[at.k]), ": "];
  const where = at.q === at.k ? "a token reads itself." : "it comes before.";
  if (view.may(at.q, at.k)) return [title(...start, after, " stays: ", where)];
  const why = at.k > at.q ? "it comes after." : "this layer's pattern does not let it be read.";
  if (all.masked[i] === all.scaled[i]) return [title(...start, after, " stays, though ", why)];
  return [title(...start, `${before} becomes `, after, "; ", why)];
}

/** Which tokens a table of weights names: all of a few, else the largest and the chosen one. */
function listed(weights, scores, chosen) {
  const read = [...weights.keys()].filter((i) => scores[i] > -Infinity);
  if (read.length <= TABLE) return { some: read, others: [] };
  const order = read.sort((a, b) => weights[b] - weights[a]), first = order.slice(0, TABLE);
  if (order.includes(chosen) && !first.includes(chosen)) first.splice(TABLE - 1, 1, chosen);
  return { some: first, others: order.filter((i) => !first.includes(i)) };
}

function detailWeight({ view, all, at, names, n, T, mask, right }) {
  const cut = [at.q * T, (at.q + 1) * T], scores = all.masked.subarray(...cut);
  const weights = all.weights.subarray(...cut), kept = right.weights.subarray(...cut);
  const { powers, lowered, sum } = exponentials(scores), broken = mask !== "causal";
  const { some, others } = listed(weights, scores, at.k);
  const rows = some.map((i) => ({
    texts: [names[i], n(scores[i]), n(powers[i]), n(weights[i]), ...(broken ? [n(kept[i])] : [])],
    bar: weights[i],
    leaks: broken && !view.may(at.q, i),
    marked: i === at.k,
  }));
  const add = (values) => others.reduce((total, i) => total + values[i], 0);
  const rest = [n(add(powers)), n(add(weights)), ...(broken ? [n(add(kept))] : [])];
  if (others.length)
    rows.push({ texts: [`the other ${others.length}`, "", ...rest], bar: add(weights) });
  const less = lowered ? ` − ${n(lowered)}`.replace("− −", "+ ") : "";
  const barred = scores[at.k] === -Infinity, exponent = barred ? "−∞" : `${n(scores[at.k])}${less}`;
  const head = title(quote(names[at.q]), " → ", quote(names[at.k]), ": ", power(exponent));
  head.append(` ÷ ${n(sum)} = ${n(powers[at.k])} ÷ ${n(sum)} = `, h("b", {}, n(weights[at.k])));
  const heads = ["", "score", power(`score${less}`), "weight", ...(broken ? ["with mask"] : [])];
  const foot = ["sum", "", n(sum), n(1), ...(broken ? [n(1)] : [])];
  const why = "The same number is taken from every score of the row: it cancels.";
  const note = lowered ? [h("p", { class: "gpt-quiet" }, why)] : [];
  return [head, table(heads, rows, foot), ...note];
}

function detailOutput({ all, at, names, n, T, sizes: [, V] }) {
  const weights = all.weights.subarray(at.q * T, (at.q + 1) * T);
  const read = [...weights.keys()].filter((i) => weights[i] > 0);
  const sum = terms(read.map((i) => weights[i]), read.map((i) => all.v[i * V + at.j]));
  const total = h("b", {}, n(sum.total));
  const head = title(`Number ${at.j} of the output of `, quote(names[at.q]), " = ", total);
  const heads = ["weight", "value", "weight × value"];
  return [head, sumTable(heads, sum, (i) => names[read[i]], n)];
}

/** What is told of a cell, by the matrix in which it stands. */
export const DETAILS = {
  q: detailVector, k: detailVector, v: detailVector, scores: detailScore, scaled: detailScaled,
  masked: detailMasked, weights: detailWeight, output: detailOutput,
};
