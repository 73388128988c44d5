// What explorers of answers share: buttons to choose by, tales that take turns, and how probable the
// answers to a question are among each other, a bar each.

import { button, choose, h } from "./kit.js";

// ---------------------------------------------------------------- numbers

/** Probabilities of the answers among themselves, from their log-probabilities. */
export function amongThese(logs) {
  const most = Math.max(...logs), parts = logs.map((log) => Math.exp(log - most));
  const sum = parts.reduce((all, part) => all + part, 0);
  return parts.map((part) => part / sum);
}

/** The place of the largest, the first of equals. */
export const likeliest = (values) => values.indexOf(Math.max(...values));

// ---------------------------------------------------------------- controls

/** Buttons of which one is pressed, with what they choose before them. */
export function pick(name, buttons) {
  const group = h("div", { class: "gpt-pick", role: "group", "aria-label": name }, ...buttons);
  return h("div", { class: "gpt-choice" }, h("span", {}, name), group);
}

/** Tales in turn, the first behind the last: `root` goes on the page; `at` says which one of how many
 *  is shown. It listens, and `tell` writes that down. */
export function turning(view, at) {
  const turn = (step) => () => {
    const [tale, all] = at();
    choose(view, { tale: (tale + step + all) % all });
  };
  const which = h("span", { class: "gpt-quiet" });
  const root = h("div", { class: "gpt-turn" }, which);
  root.append(button("‹ Previous", turn(-1)), button("Next ›", turn(1)));
  return { root, tell: () => (which.textContent = `Tale ${at()[0] + 1} of ${at()[1]}`) };
}

// ---------------------------------------------------------------- bars

/** The list of answers for the page. */
export const barsOf = (label) => h("div", { class: "gpt-bars", role: "list", "aria-label": label });

/** Write the answers into a list and return what `drawBars` draws: a mark, a number, a bar each. */
export function fillBars(list, answers) {
  const bars = answers.map((answer) => {
    const mark = h("b", { class: "gpt-mark" }), bar = h("i");
    const number = h("span", { class: "gpt-number" });
    const row = h("div", { class: "gpt-bar", role: "listitem" }, h("span", {}, answer, " ", mark));
    row.append(number, h("span", { class: "gpt-track", "aria-hidden": "true" }, bar));
    return { row, mark, bar, number };
  });
  list.replaceChildren(...bars.map(({ row }) => row));
  return bars;
}

/** The bars, in the order of the answers, so that they can be compared from cell to cell.
 *  `found` are probabilities or null; `marks` says what stands beside an answer, by its place. */
export function drawBars(bars, found, marks) {
  const most = found && likeliest(found);
  bars.forEach((one, i) => {
    one.mark.textContent = marks[i] ?? "";
    one.mark.hidden = !marks[i];
    one.number.textContent = found ? found[i].toFixed(2) : "–";
    one.bar.style.width = found ? `${(100 * found[i]).toFixed(1)}%` : "0";
    one.row.classList.toggle("gpt-most", i === most);
  });
}
