// Hides the results of a page until the reader has guessed, or asks for them. What belongs to what
// is said by classes, which book/_ext/guesses.py gives: gpt-guess-3 asks, gpt-result-3 answers.
// A classic script without imports: it works from file:// as from a server.
(() => {
  "use strict";

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function button(text, act, name = "") {
    const made = make("button", { type: "button", className: name, textContent: text });
    made.addEventListener("click", act);
    return made;
  }

  // The quotation's list becomes buttons; a quotation without a list gets a line to write on.
  function answers(ask, number, choose) {
    const list = ask.querySelector("ul, ol");
    if (list) {
      list.classList.add("gpt-guess-list");
      for (const item of list.children) {
        const text = item.textContent.trim();
        const one = button("", () => choose(text, one));
        one.append(...(item.querySelector(":scope > p") ?? item).childNodes);
        item.replaceChildren(one);
        // A formula is drawn, and a drawing has no name: say what it is made of.
        const words = [...one.childNodes].some((part) => !part.classList?.contains("math") && part.textContent.trim());
        if (one.querySelector(".math") && !words) one.setAttribute("aria-label", text.replace(/\\[()]|[\\{}]/g, ""));
      }
      return [];
    }
    const line = make("input", { type: "text", maxLength: 200, autocomplete: "off" });
    line.setAttribute("aria-label", `Your guess, number ${number} of this page`);
    const form = make("form", {}, line, make("button", { textContent: "Guess" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (line.value.trim()) choose(line.value.trim(), null);
      else line.focus();
    });
    return [form];
  }

  function setUp(ask) {
    const number = /gpt-guess-(\d+)/.exec(ask.className)[1];
    const results = [...document.querySelectorAll(`.gpt-result-${number}`)];
    const said = make("p", { className: "gpt-guess-said" });
    said.setAttribute("role", "status");
    let shown = false;

    function open(guess, chosen) {
      if (shown) return;
      shown = true;
      for (const result of results) result.removeAttribute("hidden");
      for (const one of ask.querySelectorAll("button, input"))
        if (one.closest("ul, ol")) one.disabled = true;
      ask.querySelector("form")?.remove();
      row.remove();
      chosen?.classList.add("chosen");
      chosen?.setAttribute("aria-pressed", "true");
      ask.classList.add("answered");
      said.textContent = guess ? "Your guess stands beside the result." : "The result is open.";
      if (guess) {
        const yours = make("p", { className: "gpt-guess-yours" });
        yours.append(make("span", { textContent: "You guessed" }), ` ${guess}`);
        results[0]?.prepend(yours);
      }
      dispatchEvent(new Event("resize")); // what was drawn out of sight takes its measure
    }

    const row = make("div", { className: "gpt-guess-row" });
    row.append(...answers(ask, number, open));
    row.append(button("Show the result", () => open("", null), "gpt-guess-ask"));
    ask.append(row, said);
    for (const result of results) {
      result.setAttribute("hidden", "until-found");
      result.addEventListener("beforematch", () => open("", null));
    }
    return { results, open };
  }

  const all = [...document.querySelectorAll("blockquote.gpt-guess")].map(setUp);

  // A link to something within a result opens it.
  function arrive() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const found = target && all.find(({ results }) => results.some((r) => r.contains(target)));
    if (!found) return;
    found.open("", null);
    target.scrollIntoView();
  }
  addEventListener("hashchange", arrive);
  addEventListener("beforeprint", () => all.forEach(({ open }) => open("", null)));
  arrive();
})();
