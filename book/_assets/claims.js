// The page of claims: buttons that choose by verdict and by part. What is chosen stands in the
// address (#show=fails+open&part=GPT-2), so that a choice can be kept and sent. Without this script
// the page shows everything.

(() => {
  const VERDICTS = { fails: "does not hold", open: "open", holds: "holds" };
  const groups = [...document.querySelectorAll(".gpt-claims")];
  const cards = groups.flatMap((group) => [...group.querySelectorAll(".gpt-evidence")]);
  const kind = (card) => Object.keys(VERDICTS).find((name) => card.classList.contains(name));
  const partOf = (card) => card.closest(".gpt-claims").dataset.part;
  const parts = [...new Set(groups.map(({ dataset }) => dataset.part))].filter(Boolean);
  const chosen = { show: new Set(), part: new Set() };

  function make(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const status = make("p", { class: "gpt-choose-said", role: "status" });
  const all = make("button", { type: "button" }, "Show all");
  const buttons = { show: new Map(), part: new Map() };

  function row(label, what, names) {
    const line = make("div", { class: "gpt-choose-row", role: "group", "aria-label": label }, make("span", {}, label));
    for (const [name, text] of Object.entries(names)) {
      const button = make("button", { type: "button", "aria-pressed": "false" });
      button.dataset.text = text;
      button.addEventListener("click", () => {
        if (!chosen[what].delete(name)) chosen[what].add(name);
        keep();
      });
      buttons[what].set(name, button);
      line.append(button);
    }
    return line;
  }

  /** Whether a card is wanted by what is chosen, or by the other kind of choice alone. */
  const wanted = (card, but = "") => (
    (but === "show" || !chosen.show.size || chosen.show.has(kind(card)))
    && (but === "part" || !chosen.part.size || chosen.part.has(partOf(card))));

  function update() {
    let shown = 0;
    for (const card of cards) {
      card.hidden = !wanted(card);
      shown += !card.hidden;
    }
    for (const group of groups)
      group.closest("section").hidden = ![...group.querySelectorAll(".gpt-evidence")].some((card) => !card.hidden);
    const free = !chosen.show.size && !chosen.part.size, unheld = document.getElementById("not-held");
    if (unheld) unheld.hidden = !free;
    for (const [what, map] of Object.entries(buttons))
      for (const [name, button] of map) {
        const of = what === "show" ? kind : partOf;
        const n = cards.filter((card) => of(card) === name && wanted(card, what)).length;
        button.setAttribute("aria-pressed", chosen[what].has(name));
        button.textContent = `${button.dataset.text} (${n})`;
      }
    all.hidden = free;
    status.textContent = free ? `All ${cards.length} claims.` : `${shown} of ${cards.length} claims.`;
  }

  function keep() {
    const said = ["show", "part"].filter((what) => chosen[what].size)
      .map((what) => `${what}=${[...chosen[what]].map(encodeURIComponent).join("+")}`);
    history.replaceState(null, "", said.length ? `#${said.join("&")}` : location.pathname + location.search);
    update();
  }

  /** Choose what the address says; an address of a heading chooses nothing. */
  function read() {
    const said = Object.fromEntries(location.hash.slice(1).split("&").map((pair) => pair.split("=")));
    for (const what of ["show", "part"]) {
      const names = (said[what] ?? "").split("+").map(decodeURIComponent);
      chosen[what] = new Set(names.filter((name) => buttons[what].has(name)));
    }
    update();
  }

  if (!cards.length) return;
  const bar = make("div", { class: "gpt-choose" }, row("Verdict", "show", VERDICTS));
  if (parts.length > 1) bar.append(row("Part", "part", Object.fromEntries(parts.map((part) => [part, part]))));
  all.addEventListener("click", () => {
    chosen.show.clear();
    chosen.part.clear();
    keep();
    buttons.show.values().next().value.focus();
  });
  bar.append(make("div", { class: "gpt-choose-row" }, status, all));
  (document.getElementById("not-held") ?? groups[0].closest("section")).before(bar);
  addEventListener("hashchange", read);
  read();
})();
