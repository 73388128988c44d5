// What explorers share: elements, frames, keys, pointers, cells, colours, what is read aloud. A script
// that imports from here has these names in its own scope, so none of its own may be called so.
//
// An explorer is a guest in somebody's page. Around it stand elements with class names of their own
// (Jupyter Book's div.cell, JupyterLab's notebook with its keys). So nothing here looks for an
// element outside of what listens, and a key that an explorer takes goes no further.

// ---------------------------------------------------------------- elements

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const h = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

export const s = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export function button(text, act = null, attributes = {}) {
  const made = h("button", { type: "button", ...attributes }, text);
  if (act) made.addEventListener("click", act);
  return made;
}

let ever = 0;

/** The beginning of ids that nothing else on the page has. */
export const idFor = (name) => `gpt-${name}-${(ever += 1)}-${Math.random().toString(36).slice(2)}`;

/** The nearest element around what an event hit that a selector names, within what listens. */
export function hit(event, selector) {
  const found = event.target.closest?.(selector);
  return found && event.currentTarget.contains(found) ? found : null;
}

// ---------------------------------------------------------------- numbers

export const { format: count } = new Intl.NumberFormat("en");
export const plural = (n, name) => `${count(n)} ${name}${n === 1 ? "" : "s"}`;

/** A whole number as a place in a list of `size`. */
export const within = (value, size) => Math.max(0, Math.min(size - 1, value));

// ---------------------------------------------------------------- the course of things

/** Bring the page up to date with the next frame, once however often it is asked for. */
export function later(view) {
  view.frame ??= requestAnimationFrame(() => {
    view.frame = undefined;
    view.update();
  });
}

/** Change what is chosen: the model's traits, by name. */
export function choose(view, changes) {
  for (const [name, value] of Object.entries(changes)) view.model.set(name, value);
  view.model.save_changes();
  later(view);
}

/** Tell a screen reader what is chosen, once the reader has come to rest. */
export function say(view, text) {
  clearTimeout(view.saying);
  if (text !== view.said.textContent)
    view.saying = setTimeout(() => (view.said.textContent = text), 400);
}

/** What a screen reader hears: the element for `say`. */
export const unseen = () => h("p", { class: "gpt-unseen", "aria-live": "polite" });

/** For `mount`: a view whose picture is as wide as the explorer, but for its border. */
export const fitted = (view) => () => {
  view.width = Math.floor(view.root.clientWidth) - 4;
  view.update();
};

/**
 * Put `view.root` on the page and keep it right: `view.update` is called now and whenever one of
 * the model's `traits` changes, `resized` when `watched` has another size, `painted` when the
 * page's colours may be others. Returns what ends all that.
 */
export function mount(el, view, { traits, resized, watched = view.root, painted }) {
  el.append(view.root);
  view.root.addEventListener("keydown", keepKey);
  view.update();
  const changed = () => later(view);
  for (const name of traits) view.model.on(`change:${name}`, changed);
  const size = resized && new ResizeObserver(() => {
    if (watched.clientWidth) resized(); // a notebook hides cells: nothing is drawn into no width
  });
  size?.observe(watched);
  const theme = painted && new MutationObserver(painted);
  for (const place of [document.documentElement, document.body])
    theme?.observe(place, { attributes: true });
  const system = matchMedia("(prefers-color-scheme: dark)");
  if (painted) system.addEventListener("change", painted);
  return () => {
    for (const name of traits) view.model.off(`change:${name}`, changed);
    size?.disconnect();
    theme?.disconnect();
    system.removeEventListener("change", painted);
    cancelAnimationFrame(view.frame);
    clearTimeout(view.saying);
  };
}

// ---------------------------------------------------------------- keys

/** In a notebook a plain key moves, cuts or pastes cells: one pressed in here is for us. */
function keepKey(event) {
  const command = event.ctrlKey || event.metaKey || event.altKey;
  const runs = event.key === "Enter" && event.shiftKey;
  if (event.defaultPrevented || (!command && !runs)) event.stopPropagation();
}

/** Whether letters that are pressed belong to a control of the reader's: a text, a list. */
export const typing = (event) => hit(event, "select, textarea, input") !== null;

/** The cell that a key leads to from another, or null for other keys; a page is `leap` rows. */
export function moved(key, { row, column }, rows, columns, leap = 0) {
  const to = {
    ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
    ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
    Home: [row, 0], End: [row, columns - 1],
    ...(leap && { PageUp: [row - leap, column], PageDown: [row + leap, column] }),
  };
  if (!Object.hasOwn(to, key)) return null;
  return { row: within(to[key][0], rows), column: within(to[key][1], columns) };
}

/** The place in a row of `size` that a key leads to, or null for other keys. */
export function along(key, at, size) {
  if (key === "ArrowUp" || key === "ArrowDown") return null;
  return moved(key, { row: 0, column: at }, 1, size)?.column ?? null;
}

// ---------------------------------------------------------------- pointers and cells

/** Pointing shows something for as long as it lasts (`show`, null at its end); a click or a tap
 *  keeps it (`keep`). `under` says what lies under an event, null for nothing. */
export function pointing(element, { under, show, keep, over = "pointermove" }) {
  element.addEventListener(over, (event) => {
    if (event.pointerType !== "touch") show(under(event));
  });
  element.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType !== "touch") show(null);
  });
  element.addEventListener("click", (event) => {
    const found = under(event);
    if (found !== null) keep(found, event);
  });
}

/**
 * Chips in a box of the role "listbox", which pointer and keys walk along: `point(i)` makes chip i
 * the active one, or none (-1); `active()` is that one's number, `size()` how many there are,
 * `onKey` is asked first about a key. A chip says its number in `data-i`.
 */
export function listbox(box, { point, active, size, chip, onKey = () => false }) {
  const at = (event) => {
    const found = hit(event, "[data-i]");
    return found && +found.dataset.i;
  };
  pointing(box, { under: at, show: (i) => point(i ?? -1), keep: point, over: "pointerover" });
  box.addEventListener("focus", () => {
    if (active() < 0 && box.matches(":focus-visible")) point(0);
  });
  box.addEventListener("blur", () => point(-1));
  box.addEventListener("keydown", (event) => {
    if (event.target !== box) return;
    if (onKey(event)) return event.preventDefault();
    const turned = { ArrowLeft: "ArrowRight", ArrowRight: "ArrowLeft" };
    const key = (box.dir === "rtl" && turned[event.key]) || event.key;
    const next = key === "Escape" ? -1 : along(key, active(), size());
    if (next === null) return;
    event.preventDefault();
    point(next);
    chip(next)?.scrollIntoView({ block: "nearest" });
  });
}

/** The cell under a point of a picture, or null outside. */
export function cellAt(x, y, { w, h: high, rows, columns }) {
  const row = Math.floor((y / high) * rows), column = Math.floor((x / w) * columns);
  return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
}

/** The cell of an element's picture under an event, or null. */
export function cellUnder({ clientX, clientY }, element, rows, columns) {
  const { left, top, width, height } = element.getBoundingClientRect();
  return cellAt(clientX - left, clientY - top, { w: width, h: height, rows, columns });
}

/** A box over cells of a picture of `rows` × `columns`; null leaves a side to the style sheet. */
export function cellBox(name, [x, y, width, height], rows, columns, ...inside) {
  const box = h("div", { class: name }, ...inside);
  const sides = { left: [x, columns], top: [y, rows], width: [width, columns], height: [height, rows] };
  for (const [side, [cells, all]] of Object.entries(sides))
    if (cells !== null) box.style[side] = `${(100 * cells) / all}%`;
  return box;
}

// ---------------------------------------------------------------- colours

/** A colour of the page as [red, green, blue], by its variable; `view.said` shows it unseen. */
export function rgb({ said }, variable) {
  said.style.color = `var(${variable})`;
  return getComputedStyle(said).color.match(/[\d.]+/g).slice(0, 3).map(Number);
}

/** A canvas with one pixel per cell, from RGBA. */
export function small(image, rows, columns) {
  const canvas = h("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  canvas.getContext("2d").putImageData(new ImageData(image, columns, rows), 0, 0);
  return canvas;
}
