// Draws every chart of a built page with the page's own plotly.js, and again when the theme
// changes. A classic script without imports: it works from file:// as from a server.
//
// plotly.js takes most of a second to start, so it is loaded once the page answers to its reader.
// Charts are drawn one at a time, nearest first, with room in between for whatever the reader does.
(() => {
  "use strict";
  const LIGHT = ["#0072b2", "#c8501e", "#00825f", "#8d5aa5", "#9a7000", "#5b6470"];
  const DARK = ["#6cb8ee", "#f2935f", "#4fc9a0", "#cfa3e0", "#dfb650", "#aeb6c2"];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // The figure's own font, in the page's letters if the page has its own.
  function layoutFont(spec) {
    const own = spec.layout.template?.layout?.font ?? {};
    return { ...own, family: css("--gpt-sans") || own.family };
  }

  // The colours that depend on the page, laid over the figure's own template.
  function themed(spec) {
    const dark = document.documentElement.dataset.theme === "dark";
    const ink = css("--gpt-ink-soft") || (dark ? "#b4bac4" : "#4b525c");
    const rule = css("--gpt-rule") || (dark ? "#333a44" : "#e3e6ea");
    const font = { ...layoutFont(spec), color: ink };
    const axis = { gridcolor: rule, linecolor: rule, zerolinecolor: rule };
    const layout = structuredClone(spec.layout);
    const base = layout.template?.layout ?? {};
    layout.template = {
      ...layout.template,
      layout: {
        ...base,
        font,
        colorway: dark ? DARK : LIGHT,
        xaxis: { ...base.xaxis, ...axis },
        yaxis: { ...base.yaxis, ...axis },
        // A label of a baseline stays readable where a curve runs through it.
        annotationdefaults: { ...base.annotationdefaults, bgcolor: css("--gpt-paper-veil") },
        hoverlabel: {
          ...base.hoverlabel,
          font: { family: font.family },
          bgcolor: css("--gpt-paper") || (dark ? "#1a1d23" : "#ffffff"),
          bordercolor: rule,
        },
      },
    };
    // Dragging on a touch screen scrolls the page; with a mouse it zooms.
    layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    layout.autosize = true;
    return layout;
  }

  // On a narrow page the names of the lines stand one below the other and would reach the title:
  // the chart grows by what is missing. A chart that is not shown yet has no places to compare.
  function roomForLegend(plot) {
    const [title, legend] = [".gtitle", ".legend"].map((q) => plot.querySelector(q)?.getBoundingClientRect());
    if (!title?.height || !legend?.height) return;
    const missing = Math.ceil(title.bottom + 4 - legend.top);
    if (missing <= 0) return;
    const { height, margin } = plot.layout;
    Plotly.relayout(plot, { height: height + missing, "margin.t": margin.t + missing });
  }

  function draw(figure) {
    const plot = figure.querySelector(".gpt-chart-plot");
    const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const config = { displayModeBar: false, responsive: true };
    const first = !plot.matches(".js-plotly-plot");
    Plotly.react(plot, spec.data, themed(spec), config);
    if (first) plot.on("plotly_afterplot", () => roomForLegend(plot));
    roomForLegend(plot);
    figure.classList.remove("waiting");
    figure.classList.add("drawn");
    // The plot's aria-label says the same; once is enough for a screen reader.
    figure.querySelector("figcaption").setAttribute("aria-hidden", "true");
  }

  const figures = [...document.querySelectorAll("figure.gpt-chart")];
  const PLOTLY = new URL("plotly.min.js", document.currentScript.src).href;

  // How far a figure is from what the reader sees, in pixels.
  function distance(figure) {
    const { top, bottom } = figure.getBoundingClientRect();
    return Math.max(top - innerHeight, -bottom, 0);
  }

  function drawNearest(waiting) {
    if (!waiting.length) return;
    const [nearest, ...others] = waiting.sort((a, b) => distance(a) - distance(b));
    if (!nearest.matches(".drawn")) draw(nearest);
    soon(() => drawNearest(others));
  }

  const soon = (act) =>
    self.requestIdleCallback ? requestIdleCallback(act, { timeout: 200 }) : setTimeout(act, 20);

  function start() {
    drawNearest([...figures]);
    const drawn = () => figures.filter((figure) => figure.matches(".drawn"));
    new MutationObserver(() => drawn().forEach(draw)).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
    addEventListener("beforeprint", () => figures.forEach(draw));
  }

  function load() {
    const script = document.createElement("script");
    script.src = PLOTLY;
    // plotly measures its labels when it draws, so the letters have to be there first.
    const family = css("--gpt-sans") || "sans-serif";
    script.onload = () => document.fonts.load(`13px ${family}`).then(start, start);
    script.onerror = () => figures.forEach((figure) => figure.classList.remove("waiting"));
    document.head.append(script);
  }

  // A chart that is on its way does not show its text first, or the page would jump.
  figures.forEach((figure) => figure.classList.add("waiting"));
  if (document.readyState === "complete") soon(load);
  else addEventListener("load", () => soon(load));
})();
