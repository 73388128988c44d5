// What the reader has read, kept in the reader's browser and nowhere else: a page that was read to
// its end is ticked, on the map and in the list of pages; a click takes a tick away or sets it.
// Where nothing can be kept, ticks last as long as the page. And what is folded unfolds for paper.

(() => {
  const KEY = "gpt-read", STAY = 1000; // milliseconds at the end of a page
  let held = [];

  function read() {
    try {
      const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
      held = Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
    } catch { /* nothing is kept, or something else */ }
    return new Set(held);
  }

  function keep(pages) {
    held = [...pages];
    try {
      localStorage.setItem(KEY, JSON.stringify(held));
    } catch { /* no room, or not allowed */ }
    show();
  }

  function make(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const tick = () => make("span", { class: "gpt-tick", role: "img", "aria-label": "read" }, "✓");
  const end = document.querySelector("div.gpt-read"), map = document.querySelector(".gpt-map-parts");
  const box = make("input", { type: "checkbox" });
  const said = make("span", { role: "status" }), reset = make("button", { type: "button" }, "Forget what I have read");

  function show() {
    const pages = read();
    document.querySelectorAll(".gpt-tick").forEach((one) => one.remove());
    const marked = (link, page) => {
      if (pages.has(page)) link.append(tick());
    };
    for (const item of document.querySelectorAll(".gpt-map li[data-page]")) marked(item.querySelector("a"), item.dataset.page);
    for (const link of document.querySelectorAll(".bd-docs-nav a")) {
      const place = new URL(link.href).pathname.match(/([^/]+\/[^/]+)\.html$/);
      if (place) marked(link, decodeURIComponent(place[1]));
    }
    if (end) box.checked = pages.has(end.dataset.page);
    if (!map) return;
    const all = map.querySelectorAll("li[data-page]").length, n = map.querySelectorAll("li .gpt-tick").length;
    said.textContent = n ? `${n} of ${all} read.` : "";
    reset.hidden = !n;
  }

  if (end) {
    end.append(make("label", {}, box, " I have read this page"));
    const change = (has) => {
      const pages = read();
      pages[has ? "add" : "delete"](end.dataset.page);
      keep(pages);
    };
    let own = false, timer = null; // what the reader sets is not set again by scrolling
    box.addEventListener("change", () => {
      own = true;
      change(box.checked);
    });
    new IntersectionObserver(([{ isIntersecting }]) => {
      clearTimeout(timer);
      if (isIntersecting && scrollY > 0 && !own && !box.checked) timer = setTimeout(() => own || change(true), STAY);
    }).observe(end);
  }
  if (map) {
    reset.addEventListener("click", () => keep([]));
    document.querySelector(".gpt-map-head").append(" ", said, " ", reset);
  }
  addEventListener("storage", ({ key }) => key === KEY && show());
  show();

  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("article details:not([open], .hide)")];
    unfolded.forEach((one) => (one.open = true));
  });
  addEventListener("afterprint", () => unfolded.forEach((one) => (one.open = false)));
})();
