// Demonstrations in a prompt: a table of accuracies by size and by how many there are, the prompt with
// its demonstrations set apart, and which of the questions the chosen network takes it to ask.

import { barsOf, drawBars, fillBars, likeliest, pick, turning } from "../shared/asked.js";
import { button, choose, h, idFor, mount, plural, say, unseen } from "../shared/kit.js";
import { choosing, fillTable, tableOf } from "../shared/table.js";

const CHOICES = ["size", "corpus", "shots", "change"];
const TRAITS = [...CHOICES, "tasks", "prompts", "changes", "corpora", "cells", "task", "tale", "alt"];
const HUES = ["var(--gpt-1)", "var(--gpt-2)"]; // of the questions

// ---------------------------------------------------------------- numbers

/** Sizes, the largest first, and numbers of demonstrations: the sides of the table. */
export const sidesOf = (cells, prompts) => ({
  sizes: [...new Set([...cells].sort((a, b) => b.n_params - a.n_params).map(({ size }) => size))],
  counts: [...new Set(prompts.map(({ shots }) => shots))].sort((a, b) => a - b),
});

/** The network that is asked for, or null. */
export const cellFor = (cells, { size, corpus }) => (
  cells.find((cell) => cell.size === size && cell.corpus === corpus) ?? null);

/** The place of the prompt that is asked for, or -1. */
export const promptAt = (prompts, { shots, change }) => (
  prompts.findIndex((one) => one.shots === shots && one.change === change));

/** Where another corpus leads to: the same size where that was run, or the nearest row. */
export function toCorpus(cells, sizes, corpus, { size }) {
  const far = (cell) => Math.abs(sizes.indexOf(cell.size) - sizes.indexOf(size));
  const there = cells.filter((cell) => cell.corpus === corpus);
  return { corpus, size: there.reduce((best, cell) => (far(cell) < far(best) ? cell : best)).size };
}

/** Where other demonstrations lead to: as many where that was asked, or the nearest number. */
export function toChange(prompts, change, { shots }) {
  const far = (one) => Math.abs(one.shots - shots);
  const there = prompts.filter((one) => one.change === change);
  return { change, shots: there.reduce((best, one) => (far(one) < far(best) ? one : best)).shots };
}

/** How much of all probability goes to the answers of each question, which follow each other. */
export function sumsOf(found, tasks) {
  let from = 0;
  return tasks.map(({ answers }) => {
    const own = found.slice(from, (from += answers.length));
    return own.reduce((sum, part) => sum + part, 0);
  });
}

/** How much goes to neither, which is all else that a network could write. */
export const restOf = (sums) => Math.max(0, 1 - sums.reduce((all, sum) => all + sum, 0));

/** The true answer to each question, as places among the answers of all. */
export function truths(tasks, tale) {
  let from = 0;
  return tasks.map(({ answers, rights }) => (from += answers.length) - answers.length + rights[tale]);
}

/** A prompt of a network in words. */
export function whereOf({ size, corpus, shots, change }, corpora, changes) {
  const label = (list, value) => list.find(({ name }) => name === value).label;
  const how = change ? `, ${label(changes, change)}` : "";
  const many = shots ? plural(shots, "demonstration") : "no demonstration";
  return `${size}, ${label(corpora, corpus)}, ${many}${how}`;
}

/** What the network of a cell makes of a prompt, and how often it is right behind such prompts. */
export function told(cell, tasks, { number, at, tale }) {
  if (!cell) return "not run.";
  const { questions } = tasks[number], right = truths(tasks, tale);
  const found = cell.log_probs[number][tale][at].map(Math.exp), most = likeliest(found);
  const answers = tasks.flatMap((task) => task.answers), sums = sumsOf(found, tasks);
  const named = (i) => `“${answers[i]}” (${found[i].toFixed(2)})`;
  const asks = tasks.map((task, i) => `${task.name} ${sums[i].toFixed(2)}, `).join("");
  let says = `${named(most)}, which is right`;
  if (most !== right[number]) {
    const other = right.includes(most) ? ", true of the tale" : "";
    says = `${named(most)}${other}; right is ${named(right[number])}`;
  }
  const fits = cell.fits[number][at], accuracy = cell.accuracy[number][at].toFixed(2);
  const part = "of the answers are to this question, right or wrong";
  const kind = fits === undefined ? "" : `; ${fits.toFixed(2)} ${part}`;
  const times = `${plural(questions, "question")}, ${plural(cell.seeds, "seed")}`;
  return `takes it to ask for: ${asks}neither ${restOf(sums).toFixed(2)}. Likeliest answer ${says}. `
    + `Accuracy ${accuracy} over ${times}${kind}.`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, peek: null, boxes: [], bars: [] };
  const labelled = (name) => model.get(name).map(({ label }) => button(label));
  view.buttons = { task: labelled("tasks"), corpus: labelled("corpora"), change: labelled("changes") };
  const controls = h("div", { class: "gpt-choices" }, pick("Question shown", view.buttons.task));
  if (view.buttons.corpus.length > 1) controls.append(pick("Corpus", view.buttons.corpus));
  if (view.buttons.change.length > 1) controls.append(pick("Demonstrations", view.buttons.change));
  view.table = tableOf("size \\ K",
    "Accuracy: up and down choose the size, left and right the number of demonstrations");
  const title = h("p", { class: "gpt-title" }, "Accuracy by number K of demonstrations in the prompt");
  view.turn = turning(view, () => [chosen(view).tale, model.get("tasks")[0].rights.length]);
  view.prompt = h("div", { class: "sh-prompt", role: "group", tabindex: 0, "aria-label": "Prompt" });
  view.taken = h("div", { class: "sh-taken" });
  view.lists = h("div", { class: "sh-lists" });
  view.told = h("p", { class: "sh-told" });
  const note = "In the table: the share of questions that are answered word for word; more colour is "
    + "better, italic: one seed, –: not run. Bars: the probability of each answer, by one network of the "
    + "cell, that of its first seed; neither: of all else that it could write. The heroes' names stand in "
    + "nothing that it read.";
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-shots" }, controls, h("div", {}, title, view.table.root));
  view.root.append(view.turn.root, view.prompt, view.taken, view.lists, view.told);
  view.root.append(h("p", { class: "gpt-quiet" }, note), view.said);
  view.update = () => update(view);
  return view;
}

/** What is chosen, or pointed at. */
function chosen({ model, peek }) {
  const tasks = model.get("tasks"), number = tasks.findIndex(({ name }) => name === model.get("task"));
  const tale = Math.min(model.get("tale"), tasks[number].rights.length - 1);
  return { number, tale, ...Object.fromEntries(CHOICES.map((name) => [name, model.get(name)])), ...peek };
}

function update(view) {
  const { model, buttons } = view, now = chosen(view), tasks = model.get("tasks");
  if (view.drawn !== model.get("cells")) fillNumbers(view);
  if (view.tasks !== tasks) fillAnswers(view, tasks);
  const lists = { task: tasks, corpus: model.get("corpora"), change: model.get("changes") };
  for (const [name, list] of Object.entries(lists))
    list.forEach((one, i) => buttons[name][i].setAttribute("aria-pressed", one.name === model.get(name)));
  const at = promptAt(model.get("prompts"), now), cell = at < 0 ? null : cellFor(model.get("cells"), now);
  paint(view, now);
  view.turn.tell();
  view.root.style.setProperty("--asked", HUES[now.number]);
  drawPrompt(view, tasks[now.number].prompts[now.tale], at);
  const found = cell && cell.log_probs[now.number][now.tale][at].map(Math.exp);
  const right = truths(tasks, now.tale);
  drawTaken(view, found && sumsOf(found, tasks));
  view.groups.forEach((group, i) => group.classList.toggle("sh-other", i !== now.number));
  const mark = (i) => (i === now.number ? "✓ right" : "also true");
  drawBars(view.bars, found, Object.fromEntries(right.map((place, i) => [place, mark(i)])));
  const where = whereOf(now, model.get("corpora"), model.get("changes"));
  view.told.textContent = `${where}: ${told(cell, tasks, { ...now, at })}`;
  if (!view.peek) say(view, view.told.textContent);
  else clearTimeout(view.saying);
}

/** The table, which depends on the record alone. */
function fillNumbers(view) {
  view.drawn = view.model.get("cells");
  const { sizes, counts } = sidesOf(view.drawn, view.model.get("prompts"));
  view.boxes = fillTable(view.table, sizes, counts);
}

/** What depends on the questions alone: their part of the whole, and a bar for each answer. */
function fillAnswers(view, tasks) {
  view.tasks = tasks;
  const lists = tasks.map(({ label }) => barsOf(label));
  view.bars = lists.flatMap((list, i) => fillBars(list, tasks[i].answers));
  const hue = (i) => ({ style: `--hue: ${HUES[i]}` });
  view.groups = lists.map((list, i) => (
    h("div", hue(i), h("p", { class: "gpt-title sh-hue" }, tasks[i].label), list)));
  view.lists.replaceChildren(...view.groups);
  view.parts = tasks.map((_, i) => h("i", hue(i)));
  view.sums = tasks.map((_, i) => h("b", { class: "sh-hue", ...hue(i) }));
  view.rest = h("span");
  const bar = h("div", { class: "sh-whole", "aria-hidden": "true" }, ...view.parts);
  const title = h("p", { class: "gpt-title" }, "It takes the question to be");
  view.taken.replaceChildren(title, bar, h("p", { class: "sh-sums" }, ...view.sums));
  view.sums[0].after(view.rest);
}

function paint({ model, boxes, table: { body } }, now) {
  const cells = model.get("cells"), prompts = model.get("prompts");
  const { sizes, counts } = sidesOf(cells, prompts);
  sizes.forEach((size, row) => counts.forEach((shots, column) => {
    const it = { ...now, size, shots }, box = boxes[row][column];
    const cell = cellFor(cells, it), accuracy = cell?.accuracy[now.number][promptAt(prompts, it)];
    const run = accuracy !== undefined, once = run && cell.seeds === 1;
    const here = size === now.size && shots === now.shots;
    box.textContent = run ? accuracy.toFixed(2) : "–";
    box.style.setProperty("--good", run ? `${Math.round(60 * accuracy)}%` : "0%");
    box.setAttribute("aria-selected", here);
    box.classList.toggle("gpt-once", once);
    const what = run ? `accuracy ${accuracy.toFixed(2)}${once ? ", one seed" : ""}` : "not run";
    box.setAttribute("aria-label", `${whereOf(it, model.get("corpora"), model.get("changes"))}, ${what}`);
    if (here) body.setAttribute("aria-activedescendant", (box.id ||= idFor("shots")));
  }));
}

/** The prompt as it is read: each demonstration with its answer, and the question, which is last and
 *  in sight; above them is room for as many as there can be. */
function drawPrompt(view, prompts, at) {
  const parts = prompts[at] ?? [], free = Math.max(...prompts.map(({ length }) => length)) - parts.length;
  if (view.shown === parts) return;
  view.shown = parts;
  const blocks = parts.map(([text, cue, answer], i) => {
    const last = i === parts.length - 1;
    const name = last ? "Question" : `Demonstration ${i + 1}`;
    const end = last ? h("b", { "aria-hidden": "true" }, "?") : h("b", {}, answer);
    const block = h("div", { class: last ? "sh-asks" : "sh-shows" }, h("span", { class: "sh-name" }, name));
    block.append(...(text ? [h("p", {}, text)] : []), h("p", {}, cue, " ", end));
    return block;
  });
  const room = parts.length < 2 ? "no demonstration" : `room for ${free} more`;
  if (free) blocks.unshift(h("div", { class: "sh-room" }, room));
  view.prompt.replaceChildren(...blocks);
  view.prompt.scrollTop = view.prompt.scrollHeight;
}

/** The bar of what the network takes to be asked: a part for each question, what is left between. */
function drawTaken({ tasks, parts, sums, rest }, found) {
  rest.textContent = `neither ${found ? restOf(found).toFixed(2) : "–"}`;
  tasks.forEach(({ name }, i) => {
    sums[i].textContent = `${name} ${found ? found[i].toFixed(2) : "–"}`;
    parts[i].style.width = found ? `${(100 * found[i]).toFixed(1)}%` : "0";
  });
}

// ---------------------------------------------------------------- what the reader does

function listen(view) {
  const { model, buttons } = view;
  const sides = () => sidesOf(model.get("cells"), model.get("prompts"));
  const presses = {
    task: (i) => ({ task: model.get("tasks")[i].name }),
    corpus: (i, now) => toCorpus(model.get("cells"), sides().sizes, model.get("corpora")[i].name, now),
    change: (i, now) => toChange(model.get("prompts"), model.get("changes")[i].name, now),
  };
  for (const [name, changes] of Object.entries(presses))
    buttons[name].forEach((one, i) => one.addEventListener("click", () => {
      view.peek = null;
      choose(view, changes(i, chosen(view)));
    }));
  choosing(view, view.table.body, {
    size: () => [sides().sizes.length, sides().counts.length],
    at: () => ({
      row: sides().sizes.indexOf(model.get("size")), column: sides().counts.indexOf(model.get("shots")),
    }),
    what: ({ row, column }) => {
      const found = { size: sides().sizes[row], shots: sides().counts[column] };
      const it = { ...chosen(view), ...found };
      const run = cellFor(model.get("cells"), it) && promptAt(model.get("prompts"), it) >= 0;
      return run ? found : null;
    },
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
