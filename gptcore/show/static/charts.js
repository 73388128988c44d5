// Wakes the charts of a built page. Each is first a picture, made by Python; plotly.js draws the
// living chart in its place when a reader points at it, taps it, or comes to it by keyboard, and
// again when the theme changes. plotly.js takes most of a second to start: it is loaded then, and
// not before. A figure that has no picture, a form which only plotly.js draws, comes by itself once
// the page answers to its reader.
// A classic script without imports: it works from file:// as from a server.
(() => {
  "use strict";
  const PLOTLY = new URL("plotly.min.js", document.currentScript.src).href;
  const REST = 90; // milliseconds for which a mouse stays: one that only passes wakes nothing
  const MARKS = [1, 2, 3, 4, 5, 6];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const figures = [...document.querySelectorAll("figure.gpt-chart")];
  const stillOf = (figure) => figure.querySelector(".gpt-still");

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
        colorway: MARKS.map((n) => css(`--gpt-chart-${n}`)),
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

  // The marks, with the colour of `heat` as the theme has it.
  function inked(data) {
    const hex = css("--gpt-chart-1").match(/[0-9a-f]{2}/gi)?.map((two) => parseInt(two, 16));
    const themedInk = (ink) => (hex ? ink.replace(/^rgba\(0, 114, 178,/, `rgba(${hex.join(", ")},`) : ink);
    return data.map((trace) =>
      trace.type !== "heatmap" || !Array.isArray(trace.colorscale) ? trace
        : { ...trace, colorscale: trace.colorscale.map(([at, ink]) => [at, themedInk(ink)]) });
  }

  // The picture's own axes and margins: what is drawn over it takes the same place. Title, key and
  // the names of the axes stay those of the picture.
  function overPicture(figure, layout, data) {
    const still = stillOf(figure), plot = still.querySelector(".gpt-still-plot");
    const told = JSON.parse(still.dataset.axes), style = getComputedStyle(plot);
    const room = still.clientWidth < 600 ? "narrow" : "wide";
    const side = (name) => parseFloat(style[`margin${name}`]);
    for (const name of ["x", "y"]) {
      const own = (layout[`${name}axis`] ??= {}), { range, [room]: named } = told[name];
      Object.assign(own, { range, autorange: false, automargin: false, title: { text: "" } });
      if (named) Object.assign(own, { tickmode: "array", tickvals: named[0], ticktext: named[1] });
      else if (name === "x") own.tickangle ??= 0;
    }
    layout.yaxis.ticklabelstandoff ??= 6;
    for (const note of layout.annotations ?? []) if (told.below.includes(note.text)) note.yanchor = "top";
    layout.margin = { l: side("Left"), r: side("Right"), t: side("Top"), b: side("Bottom"), pad: 0 };
    layout.title = { text: "" };
    layout.showlegend = false;
    delete layout.height;
    return data.map((trace) => (trace.type === "heatmap" ? { ...trace, showscale: false } : trace));
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

  // Where the living chart is drawn; with a picture, over it.
  function placeFor(figure) {
    const there = figure.querySelector(".gpt-chart-plot"), still = stillOf(figure);
    if (there) return there;
    const picture = still.querySelector(".gpt-still-plot > svg"), plot = document.createElement("div");
    plot.className = "gpt-chart-plot";
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", picture.getAttribute("aria-label"));
    picture.after(plot);
    return plot;
  }

  // A name in the key hides and shows its marks.
  function wakeKey(figure, plot) {
    figure.querySelectorAll(".gpt-still-key > li").forEach((item, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(...item.childNodes);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", `${shown}`);
        Plotly.restyle(plot, { visible: shown ? true : "legendonly" }, [i]);
      });
      item.append(button);
    });
  }

  function draw(figure) {
    const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const layout = themed(spec), first = !figure.matches(".drawn"), plot = placeFor(figure);
    const still = stillOf(figure);
    let data = inked(spec.data);
    if (still) data = overPicture(figure, layout, data);
    if (!first) data.forEach((trace, i) => (trace.visible = plot.data[i]?.visible ?? true));
    Plotly.react(plot, data, layout, { displayModeBar: false, responsive: true });
    if (first && still) wakeKey(figure, plot);
    else if (first) plot.on("plotly_afterplot", () => roomForLegend(plot));
    if (!still) roomForLegend(plot);
    figure.classList.remove("waiting");
    figure.classList.add("drawn");
    // The plot's aria-label says the same; once is enough for a screen reader.
    figure.querySelector("figcaption").setAttribute("aria-hidden", "true");
  }

  let asked;
  function plotly() {
    asked ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = PLOTLY;
      // plotly measures its labels when it draws, so the letters have to be there first.
      const family = css("--gpt-sans") || "sans-serif";
      script.onload = () => document.fonts.load(`13px ${family}`).then(resolve, resolve);
      script.onerror = () => (script.remove(), (asked = undefined), reject(new Error(PLOTLY)));
      document.head.append(script);
    });
    return asked;
  }

  function wake(figure) {
    if (figure.matches(".drawn")) return;
    plotly().then(
      () => figure.matches(".drawn") || draw(figure),
      () => figure.classList.remove("waiting"),
    );
  }

  function attend(figure) {
    let resting;
    const still = stillOf(figure);
    still.addEventListener("pointerenter", ({ pointerType }) => {
      // A finger that scrolls the page enters too; it wakes what it taps.
      if (pointerType !== "touch") resting = setTimeout(() => wake(figure), REST);
    });
    still.addEventListener("pointerleave", () => clearTimeout(resting));
    still.addEventListener("click", () => wake(figure));
    still.addEventListener("focusin", () => wake(figure));
    still.tabIndex = 0;
    still.setAttribute("role", "group");
    still.setAttribute("aria-label", "Chart");
    figure.querySelector("figcaption").setAttribute("aria-hidden", "true");
  }

  const soon = (act) =>
    self.requestIdleCallback ? requestIdleCallback(act, { timeout: 200 }) : setTimeout(act, 20);

  new MutationObserver(() => figures.filter((one) => one.matches(".drawn")).forEach(draw)).observe(
    document.documentElement,
    { attributes: true, attributeFilter: ["data-theme"] },
  );
  figures.filter(stillOf).forEach(attend);
  const bare = figures.filter((figure) => !stillOf(figure));
  // A chart that is on its way does not show its text first, or the page would jump.
  bare.forEach((figure) => figure.classList.add("waiting"));
  const start = () => bare.forEach((figure) => soon(() => wake(figure)));
  if (document.readyState === "complete") start();
  else addEventListener("load", start);
})();
