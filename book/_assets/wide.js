// What is wider than the page scrolls in its box: by finger, by mouse, and here by keyboard too. A
// table says that it goes on to the right.

(() => {
  const TABLE = ".pst-scrollable-table-container, article .output.gpt-columns pre";
  const BOXES = `${TABLE}, article mjx-container[display="true"], article div.highlight pre, article .output`;
  const hints = new Map();

  function look(box) {
    const wide = box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1;
    if (wide && !box.hasAttribute("tabindex")) {
      box.tabIndex = 0;
      box.dataset.wide = "";
    } else if (!wide && box.dataset.wide !== undefined) {
      box.removeAttribute("tabindex");
      delete box.dataset.wide;
    }
    if (!box.matches(TABLE)) return;
    if (wide && !hints.has(box)) {
      const hint = document.createElement("p");
      hint.className = "gpt-wide-hint";
      hint.setAttribute("aria-hidden", "true");
      hint.textContent = "The table goes on to the right →";
      box.after(hint);
      hints.set(box, hint);
      box.addEventListener("scroll", () => look(box), { passive: true });
    }
    const hint = hints.get(box);
    if (hint) hint.hidden = !wide || box.scrollLeft + box.clientWidth > box.scrollWidth - 4;
  }

  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => look(target)));
  const begin = () => document.querySelectorAll(BOXES).forEach((box) => {
    sizes.observe(box);
    look(box);
  });
  // Formulas come late: their boxes are there when MathJax has drawn them.
  const drawn = () => window.MathJax?.startup?.promise?.then(begin);
  begin();
  addEventListener("load", drawn);
})();
