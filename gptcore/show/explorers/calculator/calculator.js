// What a training takes: a network, tokens and devices in; days, memory of a device and money out.

import { choose, count, h, idFor, mount, say, unseen } from "../shared/kit.js";

const TRAITS = [
  "models", "kinds", "state_bytes", "model", "device", "tokens", "devices", "utilisation", "price",
  "recompute", "alt",
];
const DAY = 86_400, PF_DAY = 1e15 * DAY;
// Sliders: from, to and step of a logarithm to the base 10 or 2, or of the number itself.
const SLIDERS = {
  tokens: { label: "Tokens", min: 8, max: 14, step: 0.01, base: 10 },
  devices: { label: "Devices", min: 0, max: 16, step: 1, base: 2 },
  utilisation: { label: "Part of the peak", min: 0.05, max: 0.9, step: 0.01 },
  price: { label: "Price of a device-hour", min: 0.1, max: 10, step: 0.1 },
};

// ---------------------------------------------------------------- numbers

/** What follows: FLOPs, seconds, device-hours, money, bytes on a device by part, whether they fit. */
export function outcome({ model, kind, state, tokens, devices, utilisation, price, recompute }) {
  const flops = model.flops * tokens, seconds = flops / (devices * kind.flops * utilisation);
  const parts = state.map(([name, size]) => ({ name, bytes: (size * model.n) / devices }));
  parts.push({ name: "activations", bytes: recompute ? model.again : model.kept });
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0), hours = (devices * seconds) / 3600;
  return { flops, seconds, hours, money: hours * price, parts, bytes, fits: bytes <= kind.memory };
}

/** The least power of two of devices whose memories hold the training; null where none do. */
export function enough(given, most = 65_536) {
  for (let devices = 1; devices <= most; devices *= 2) {
    if (outcome({ ...given, devices }).fits) return devices;
  }
  return null;
}

/** A number in three digits with a word for its size. */
export function short(value) {
  const words = [[1e12, " trillion"], [1e9, " billion"], [1e6, " million"], [1, ""]];
  const [unit, word] = words.find(([one]) => value >= one * 0.9995) ?? [1, ""];
  return `${count(Number((value / unit).toPrecision(3)))}${word}`;
}

/** A time in the unit that suits it. */
export function duration(seconds) {
  const [unit, name] = [[365.25 * DAY, "years"], [DAY, "days"], [3600, "hours"], [60, "minutes"]]
    .find(([one]) => seconds >= 2 * one) ?? [1, "seconds"];
  return `${short(seconds / unit)} ${name}`;
}

/** Bytes in the largest unit of which they are a tenth. */
export function memory(bytes) {
  const [unit, name] = [[1e9, "GB"], [1e6, "MB"]].find(([one]) => bytes >= one / 10) ?? [1e3, "kB"];
  return `${(bytes / unit).toFixed(1)} ${name}`;
}

/** A number of devices, of which there may be one. */
export function deviceCount(devices) {
  return `${count(devices)} ${devices === 1 ? "device" : "devices"}`;
}

// ---------------------------------------------------------------- the page

function build(model) {
  const view = { model, inputs: {}, values: {}, id: idFor("calculator") };
  const controls = h("div", { class: "ca-controls" });
  for (const name of ["network", "device"]) {
    view[name] = h("select", { id: `${view.id}-${name}` });
    const label = h("label", { for: `${view.id}-${name}` }, name === "network" ? "Network" : "Device");
    controls.append(h("div", {}, label, view[name]));
  }
  for (const [name, { label, min, max, step }] of Object.entries(SLIDERS)) {
    const id = `${view.id}-${name}`;
    view.inputs[name] = h("input", { type: "range", min, max, step, id });
    view.values[name] = h("output", { for: id });
    const head = h("label", { for: id }, `${label} `, view.values[name]);
    controls.append(h("div", {}, head, view.inputs[name]));
  }
  view.recompute = h("input", { type: "checkbox", id: `${view.id}-recompute` });
  const again = h("label", { for: `${view.id}-recompute` }, "recompute activations");
  view.facts = h("div", { class: "ca-facts" });
  view.bar = h("div", { class: "ca-bar", role: "img" });
  view.legend = h("p", { class: "ca-legend" });
  view.told = h("p", { class: "ca-told" });
  view.said = unseen();
  view.root = h("div", { class: "gpt-explorer gpt-calculator" }, controls);
  view.root.append(h("p", { class: "ca-check" }, view.recompute, again), view.facts, view.bar);
  view.root.append(view.legend, view.told, view.said);
  view.update = () => update(view);
  return view;
}

/** What is chosen, with the facts behind the names. */
function chosen({ model }) {
  const named = (list, name) => model.get(list).find((one) => one.name === model.get(name));
  const numbers = ["tokens", "devices", "utilisation", "price", "recompute"];
  return {
    ...Object.fromEntries(numbers.map((name) => [name, model.get(name)])),
    model: named("models", "model"), kind: named("kinds", "device"), state: model.get("state_bytes"),
  };
}

function update(view) {
  const { model, inputs, values } = view, now = chosen(view), found = outcome(now);
  fill(view.network, model.get("models"), model.get("model"), (one) => `${one.name}, ${short(one.n)}`);
  fill(view.device, model.get("kinds"), model.get("device"), (one) => one.name);
  for (const [name, { base }] of Object.entries(SLIDERS)) {
    const value = model.get(name);
    inputs[name].value = base ? Math.log(value) / Math.log(base) : value;
    const written = { utilisation: `${Math.round(100 * value)} %`, devices: count(value) };
    values[name].textContent = written[name] ?? short(value);
    inputs[name].setAttribute("aria-valuetext", values[name].textContent);
  }
  view.recompute.checked = now.recompute;
  const facts = [
    [duration(found.seconds), `of ${deviceCount(now.devices)}`],
    [short(found.flops / PF_DAY), "petaFLOP/s-days"],
    [short(found.hours), "device-hours"],
    [short(found.money), `at ${now.price} an hour`],
  ];
  view.facts.replaceChildren(...facts.map(([value, what]) => (
    h("div", {}, h("strong", {}, value), h("span", {}, what)))));
  drawMemory(view, now, found);
  const least = enough(now), tokens = now.tokens / now.model.n;
  const room = found.fits ? "It fits." : least === null
    ? "It does not fit: the activations of one context alone are more than a device has."
    : `It does not fit. ${deviceCount(least)} would hold it.`;
  view.told.textContent = `${memory(found.bytes).replace(" GB", "")} of ${now.kind.memory / 1e9} GB `
    + `on each device. ${room} ${short(tokens)} tokens for each parameter; Hoffmann et al. advise about 20.`;
  say(view, `${facts.map((one) => one.join(" ")).join(", ")}. ${view.told.textContent}`);
}

/** The options of a list, and which is chosen. */
function fill(select, options, name, text) {
  if (select.length !== options.length)
    select.replaceChildren(...options.map((one) => h("option", { value: one.name }, text(one))));
  select.value = name;
}

/** The memory of a device as a bar: what is in it, and where the device ends. */
function drawMemory(view, { kind }, { parts, bytes }) {
  const most = Math.max(bytes, kind.memory);
  const hue = (i) => `--hue: var(--gpt-${i + 1})`;
  const pieces = parts.map((part, i) => (
    h("i", { style: `${hue(i)}; width: ${(100 * part.bytes) / most}%` })));
  const end = h("b", { style: `left: ${(100 * kind.memory) / most}%` });
  view.bar.replaceChildren(...pieces, end);
  const told = parts.map((part) => `${part.name} ${memory(part.bytes)}`);
  view.bar.setAttribute("aria-label", `Memory of a device: ${told.join(", ")}`);
  view.legend.replaceChildren(...told.map((text, i) => h("span", { style: hue(i) }, h("i"), text)));
}

// ---------------------------------------------------------------- what the reader does

function listen(view) {
  view.network.addEventListener("change", () => choose(view, { model: view.network.value }));
  view.device.addEventListener("change", () => choose(view, { device: view.device.value }));
  view.recompute.addEventListener("change", () => choose(view, { recompute: view.recompute.checked }));
  for (const [name, { base }] of Object.entries(SLIDERS)) {
    view.inputs[name].addEventListener("input", () => {
      const value = Number(view.inputs[name].value);
      const found = base ? Number((base ** value).toPrecision(3)) : value;
      choose(view, { [name]: name === "devices" ? Math.round(base ** value) : found });
    });
  }
}

export default {
  render({ model, el }) {
    const view = build(model);
    listen(view);
    return mount(el, view, { traits: TRAITS });
  },
};
