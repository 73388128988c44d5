// A table of cells by rows and columns, one of which is chosen: its parts, by pointer and by keys.

import { cellUnder, h, later, moved, pointing } from "./kit.js";

/** The parts of a table: `root` goes on the page, `fill` names rows and columns. */
export function tableOf(corner, label) {
  const body = h("div", { class: "gpt-cells", role: "grid", tabindex: 0 });
  body.ariaLabel = label;
  const heads = h("div", { class: "gpt-heads", "aria-hidden": "true" });
  const names = h("div", { class: "gpt-names", "aria-hidden": "true" });
  const root = h("div", { class: "gpt-table" }, h("span", { class: "gpt-corner" }, corner));
  root.append(heads, names, body);
  return { root, body, heads, names };
}

/** Write the names of rows and columns and return the empty cells, row by row. */
export function fillTable({ body, heads, names }, rows, columns) {
  heads.replaceChildren(...columns.map((name) => h("span", {}, `${name}`)));
  names.replaceChildren(...rows.map((name) => h("span", {}, `${name}`)));
  for (const part of [heads, body]) part.style.setProperty("--columns", columns.length);
  const boxes = rows.map(() => columns.map(() => h("span", { role: "gridcell", class: "gpt-on" })));
  const lines = boxes.map((row) => h("div", { role: "row", class: "gpt-row" }, ...row));
  body.replaceChildren(...lines);
  return boxes;
}

/**
 * Pointing at a cell peeks, a click keeps it, arrow keys go to the next. `size` gives rows and
 * columns, `at` the cell that is chosen, `what` says what a cell stands for, null for nothing.
 */
export function choosing(view, body, { size, at, what, keep, go = keep }) {
  const under = (event) => {
    const cell = cellUnder(event, body, ...size());
    return cell && what(cell);
  };
  const show = (peek) => {
    view.peek = peek;
    later(view);
  };
  pointing(body, { under, show, keep });
  body.addEventListener("keydown", (event) => {
    const next = moved(event.key, at(), ...size());
    if (!next) return;
    event.preventDefault();
    view.peek = null;
    const found = what(next);
    if (found !== null) go(found);
  });
}
