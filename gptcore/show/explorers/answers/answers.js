// What demonstrations are worth: a table of accuracies by size of the network and share of documents
// with demonstrations, and how probable the chosen network finds each answer to a question.

import { amongThese, barsOf, drawBars, fillBars, likeliest, pick, turning } from "../shared/asked.js";
import { button, choose, h, idFor, mount, plural, say, unseen } from "../shared/kit.js";
import { choosing, fillTable, tableOf } from "../shared/table.js";

const TRAITS = ["tasks", "cells", "task", "size", "share", "control", "tale", "alt"];
const CONTROLS = { "": "right answers", shuffled: "shuffled answers", one: "one wording" };

// ---------------------------------------------------------------- numbers

/** Sizes, the largest first, and shares in ascending order: the sides of the table. */
export const sidesOf = (cells) => ({
  sizes: [...new Set([...cells].sort((a, b) => b.n_params - a.n_params).map(({ size }) => size))],
  shares: [...new Set(cells.map(({ share }) => share))].sort((a, b) => a - b),
});

/** The cell that is asked for, or null. */
export const cellFor = (cells, { size, share, control }) => cells.find((cell) => (
  cell.size === size && cell.share === share && cell.control === control)) ?? null;

/** Where a control leads to from a cell: it stays where that was run, or goes to the nearest cell of
 *  the control, by rows first. */
export function landing(cells, control, at) {
  const { sizes, shares } = sidesOf(cells);
  const far = ({ size, share }) => shares.length * Math.abs(sizes.indexOf(size) - sizes.indexOf(at.size))
    + Math.abs(shares.indexOf(share) - shares.indexOf(at.share));
  const there = cells.filter((cell) => cell.control === control);
  const { size, share } = there.reduce((best, cell) => (far(cell) < far(best) ? cell : best));
  return { control, size, share };
}

/** How far an accuracy is from chance to perfect, 0 to 1. */
export const aboveChance = (accuracy, answers) => (
  Math.max(0, (accuracy - 1 / answers) / (1 - 1 / answers)));

/** A share as it is written: "0", "0.1 %". */
export const percent = (share) => (share ? `${Number((100 * share).toPrecision(3))} %` : "0");

/** A cell in words. */
export function whereOf({ size, share, control }) {
  const how = control ? `, ${CONTROLS[control]}` : "";
  return `${size}, ${share ? `${percent(share)} of documents` : "no demonstrations"}${how}`;
}

/** What the network of a cell says to a question, and how often it is right. */
export function told(cell, task, number, at) {
  if (!cell) return "not run.";
  const { answers, questions } = task, { right } = task.tales[at];
  const found = amongThese(cell.log_probs[number][at]), most = likeliest(found);
  const named = (i) => `“${answers[i]}” (${found[i].toFixed(2)})`;
  const says = most === right ? `${named(most)}, which is right` : `${named(most)}; right is ${named(right)}`;
  const times = `${plural(questions, "question")}, ${plural(cell.seeds, "seed")}`;
  return `says ${says}. Accuracy ${cell.accuracy[number].toFixed(2)} over ${times}.`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, peek: null, boxes: [], bars: [] };
  view.asks = model.get("tasks").map(({ label }) => button(label));
  const has = (control) => model.get("cells").some((cell) => cell.control === control);
  view.known = Object.keys(CONTROLS).filter(has);
  view.controls = view.known.map((control) => button(CONTROLS[control]));
  const controls = h("div", { class: "gpt-choices" }, pick("Question", view.asks));
  if (view.known.length > 1) controls.append(pick("Demonstrations", view.controls));
  view.table = tableOf("size \\ share",
    "Accuracy: up and down choose the size, left and right the share of documents");
  const title = h("p", { class: "gpt-title" }, "Accuracy by share of documents with demonstrations");
  view.told = h("p", { class: "qa-told" });
  view.prompt = h("p", { class: "qa-prompt" });
  view.turn = turning(view, () => [asked(view).at, asked(view).task.tales.length]);
  view.list = barsOf("Answers");
  view.note = h("p", { class: "gpt-quiet" });
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-answers" }, controls, h("div", {}, title, view.table.root));
  view.root.append(view.turn.root, view.prompt, view.list, view.told, view.note, view.said);
  view.update = () => update(view);
  return view;
}

/** What is chosen, or pointed at. */
function chosen({ model, peek }) {
  const names = ["size", "share", "control"];
  return { ...Object.fromEntries(names.map((name) => [name, model.get(name)])), ...peek };
}

/** The task that is chosen, its place among all, and the tale's. */
function asked({ model }) {
  const tasks = model.get("tasks"), number = tasks.findIndex(({ name }) => name === model.get("task"));
  return { task: tasks[number], number, at: Math.min(model.get("tale"), tasks[number].tales.length - 1) };
}

function update(view) {
  const { model } = view, now = chosen(view), { task, number, at } = asked(view);
  if (view.drawn !== model.get("cells")) fillSizes(view);
  if (view.task !== task) fillAnswers(view, task);
  model.get("tasks").forEach((one, i) => view.asks[i].setAttribute("aria-pressed", one === task));
  view.known.forEach((one, i) => view.controls[i].setAttribute("aria-pressed", one === now.control));
  paint(view, now, task, number);
  const cell = cellFor(model.get("cells"), now);
  view.turn.tell();
  view.prompt.textContent = task.tales[at].prompt;
  const found = cell && amongThese(cell.log_probs[number][at]);
  drawBars(view.bars, found, { [task.tales[at].right]: "✓ right" });
  view.told.textContent = `${whereOf(now)}: ${told(cell, task, number, at)}`;
  if (!view.peek) say(view, view.told.textContent);
  else clearTimeout(view.saying);
}

/** The table, which depends on the record alone. */
function fillSizes(view) {
  const { sizes, shares } = sidesOf(view.model.get("cells"));
  view.drawn = view.model.get("cells");
  view.boxes = fillTable(view.table, sizes, shares.map(percent));
}

/** The list of answers, which depends on the task alone: a name, a bar, a number each. */
function fillAnswers(view, task) {
  view.task = task;
  view.bars = fillBars(view.list, task.answers);
  view.note.textContent = "In the table: the share of questions whose right answer is the likeliest; "
    + `chance is ${(1 / task.answers.length).toFixed(3)}, more colour is better, italic: one seed, `
    + "–: not run. Bars: the "
    + "probability of each answer among these, by one network of the cell, that of its first seed. "
    + "The heroes' names stand in no document.";
}

function paint({ model, boxes, table: { body } }, now, task, number) {
  const cells = model.get("cells"), { sizes, shares } = sidesOf(cells);
  sizes.forEach((size, row) => shares.forEach((share, column) => {
    const cell = cellFor(cells, { size, share, control: now.control }), box = boxes[row][column];
    const accuracy = cell?.accuracy[number], here = size === now.size && share === now.share;
    const good = cell ? aboveChance(accuracy, task.answers.length) : 0;
    box.textContent = cell ? accuracy.toFixed(2) : "–";
    box.style.setProperty("--good", `${Math.round(60 * good)}%`);
    box.setAttribute("aria-selected", here);
    box.classList.toggle("gpt-once", cell?.seeds === 1);
    const once = cell?.seeds === 1 ? ", one seed" : "";
    const what = cell ? `accuracy ${accuracy.toFixed(2)}${once}` : "not run";
    box.setAttribute("aria-label", `${whereOf({ size, share, control: now.control })}, ${what}`);
    if (here) body.setAttribute("aria-activedescendant", (box.id ||= idFor("answers")));
  }));
}

// ---------------------------------------------------------------- what the reader does

function listen(view) {
  const { model } = view;
  view.asks.forEach((one, i) => one.addEventListener("click", () => {
    choose(view, { task: model.get("tasks")[i].name });
  }));
  view.controls.forEach((one, i) => one.addEventListener("click", () => {
    view.peek = null;
    choose(view, landing(model.get("cells"), view.known[i], chosen(view)));
  }));
  const sides = () => sidesOf(model.get("cells"));
  choosing(view, view.table.body, {
    size: () => [sides().sizes.length, sides().shares.length],
    at: () => ({
      row: sides().sizes.indexOf(model.get("size")), column: sides().shares.indexOf(model.get("share")),
    }),
    what: ({ row, column }) => ({ size: sides().sizes[row], share: sides().shares[column] }),
    keep: (found) => choose(view, found),
  });
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    return mount(el, view, { traits: TRAITS });
  },
};
