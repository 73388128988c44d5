// A link to the glossary shows what its word means: under the pointer, with the keyboard's focus, or
// at a first tap, of which the second follows the link. The sentence stays while the pointer is on
// it, and Escape takes it away. `terms.py` has put the sentences into the page.

(() => {
  const SHOW = 150, HIDE = 250, GAP = 6, EDGE = 8; // milliseconds; pixels
  const tip = document.createElement("div");
  tip.className = "gpt-tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  document.body.append(tip);
  let shown = null, timer = null, touched = false;

  /** Under the part of the link that was pointed at, above it where there is no room. */
  function place(link, at) {
    const rects = [...link.getClientRects()];
    const line = (at && rects.find((r) => at.y >= r.top - 2 && at.y <= r.bottom + 2)) || rects[0];
    const room = document.documentElement.clientWidth;
    tip.style.left = "0px";
    const { width, height } = tip.getBoundingClientRect();
    const left = Math.max(EDGE, Math.min(line.left, room - width - EDGE));
    const below = line.bottom + GAP + height <= innerHeight || line.top < height + GAP;
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${(below ? line.bottom + GAP : line.top - GAP - height) + scrollY}px`;
  }

  function show(link, at = null, more = "") {
    clearTimeout(timer);
    const told = document.getElementById(link.getAttribute("aria-describedby"));
    if (!told) return;
    tip.replaceChildren(...told.cloneNode(true).childNodes);
    if (more) {
      const line = document.createElement("span");
      line.className = "gpt-tip-more";
      line.textContent = more;
      tip.append(line);
    }
    tip.hidden = false;
    shown = link;
    place(link, at);
  }

  function hide() {
    clearTimeout(timer);
    tip.hidden = true;
    shown = null;
  }

  const soon = (act, wait) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };

  for (const link of document.querySelectorAll("a.gpt-term")) {
    link.addEventListener("pointerenter", ({ pointerType, clientX, clientY }) => {
      if (pointerType === "touch") return;
      if (shown === link) clearTimeout(timer);
      else soon(() => show(link, { x: clientX, y: clientY }), SHOW);
    });
    link.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") soon(hide, HIDE);
    });
    link.addEventListener("pointerdown", ({ pointerType }) => (touched = pointerType === "touch"));
    link.addEventListener("focus", () => {
      if (link.matches(":focus-visible") && !touched) show(link);
    });
    link.addEventListener("blur", () => soon(hide, HIDE));
    link.addEventListener("click", (event) => {
      if (!touched || shown === link) return; // a mouse, a key, a second tap: the link is followed
      event.preventDefault();
      show(link, { x: event.clientX, y: event.clientY }, "Tap again for its entry.");
    });
    // A long tap opens the browser's own menu for links; the meaning is there before it.
    link.addEventListener("contextmenu", (event) => {
      if (touched && shown !== link) show(link, { x: event.clientX, y: event.clientY });
    });
  }

  tip.addEventListener("pointerenter", () => clearTimeout(timer));
  tip.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType !== "touch") soon(hide, HIDE);
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown) hide();
  });
  addEventListener("pointerdown", ({ target }) => {
    if (shown && !tip.contains(target) && !shown.contains(target)) hide();
  });
  addEventListener("resize", () => shown && place(shown));
})();
