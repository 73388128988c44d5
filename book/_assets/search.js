// Search: sections and claims with excerpts, ranked here; the words are marked where a result leads.
// The index is a script, loaded when a reader first turns to the field: a page on a disk can fetch
// nothing. Words are matched from their beginning, all of them, anywhere in a section.

(() => {
  const ROOT = document.documentElement.dataset.content_root ?? "./";
  const AT_ONCE = { dialog: 8, page: 40 };
  const WEIGHT = { exact: 12, title: 6, path: 1.5, text: 1, code: 0.4 };
  const WIDE = 190; // characters of an excerpt
  const LETTERS = "[\\p{L}\\p{N}]";

  function make(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // ------------------------------------------------------------------ words

  /** The words of a question, small letters, each once. */
  function wordsOf(question) {
    const found = question.toLowerCase().match(new RegExp(`${LETTERS}+`, "gu")) ?? [];
    return [...new Set(found)];
  }

  /** What finds a word in a text: from its beginning; without a plural's s it is found, too. */
  function finder(word) {
    const stem = word.length > 4 && /[^s]s$/.test(word) ? `${word.slice(0, -1)}s?` : word;
    return new RegExp(`(?<!${LETTERS})${stem}${LETTERS}*`, "giu");
  }

  const times = (text, find) => (text.match(find) ?? []).length;

  /** Where a section stands among the results: 0 for not at all. Each find counts less than the
   *  one before it, and a rare word more than a common one. */
  function score(row, terms, rarity) {
    const [, title, path, text, code] = row;
    let sum = 0, met = 0;
    terms.forEach((find, i) => {
      const often = (part) => Math.log2(1 + times(part, find));
      const inTitle = Math.min(1, times(title, find)), found = inTitle * WEIGHT.title
        + WEIGHT.path * Math.min(1, times(path, find)) * (inTitle ? 0 : 1)
        + WEIGHT.text * often(text) / (1 + text.length / 4000) + WEIGHT.code * Math.min(2, often(code));
      if (found) met += 1;
      sum += found * rarity[i];
    });
    return { sum, met };
  }

  /** The rows of the index that answer a question, best first, and whether all have every word. */
  function search(index, question) {
    const words = wordsOf(question);
    if (!words.length) return { rows: [], whole: true };
    const terms = words.map(finder), asked = words.join(" ");
    const having = terms.map((find) => index.filter((row) => row.some((part, i) => i && times(part, find))).length);
    const rarity = having.map((n) => Math.log(1 + index.length / (1 + n)));
    let rated = index.map((row) => ({ row, ...score(row, terms, rarity) })).filter(({ met }) => met);
    const whole = rated.some(({ met }) => met === words.length);
    if (whole) rated = rated.filter(({ met }) => met === words.length);
    for (const one of rated) {
      const title = wordsOf(one.row[1]).join(" ");
      if (title === asked) one.sum += WEIGHT.exact * 3;
      else if (words.length > 1 && one.row[3].toLowerCase().includes(question.trim().toLowerCase())) one.sum += WEIGHT.exact / 2;
    }
    rated.sort((a, b) => b.met - a.met || b.sum - a.sum);
    return { rows: rated.map(({ row }) => row), whole };
  }

  // ------------------------------------------------------------------ excerpts

  /** A text with marks around what a question finds. */
  function marked(text, terms) {
    const spans = terms.flatMap((find) => [...text.matchAll(find)].map((m) => [m.index, m.index + m[0].length]));
    spans.sort((a, b) => a[0] - b[0]);
    const parts = document.createDocumentFragment();
    let at = 0;
    for (const [from, to] of spans) {
      if (from < at) continue;
      parts.append(text.slice(at, from), make("mark", {}, text.slice(from, to)));
      at = to;
    }
    parts.append(text.slice(at));
    return parts;
  }

  /** The part of a text that has the most words of the question, the earliest of equals. */
  function excerpt(text, terms) {
    const places = terms.flatMap((find, i) => [...text.matchAll(find)].map((m) => [m.index, i]));
    let best = 0, most = 0;
    for (const [from] of places) {
      const has = new Set(places.filter(([at]) => at >= from && at < from + WIDE - 30).map(([, i]) => i)).size;
      if (has > most || (has === most && from < best)) [best, most] = [from, has];
    }
    if (!most) return null;
    let from = Math.max(0, best - 50), to = Math.min(text.length, from + WIDE);
    if (from) from = text.indexOf(" ", from) + 1;
    if (to < text.length) to = Math.max(from + 1, text.lastIndexOf(" ", to));
    return `${from ? "… " : ""}${text.slice(from, to)}${to < text.length ? " …" : ""}`;
  }

  function result([place, title, path, text, code], question, terms) {
    const [page, anchor] = place.split("#");
    const mark = `?mark=${encodeURIComponent(wordsOf(question).join(" "))}`;
    const link = make("a", { href: `${ROOT}${page}${mark}${anchor ? `#${anchor}` : ""}` }, marked(title, terms));
    const item = make("li", {}, link);
    if (path) item.append(make("span", { class: "gpt-found-path" }, path));
    const words = excerpt(text, terms), lines = words === null ? excerpt(code, terms) : null;
    if (words !== null) item.append(make("p", {}, marked(words, terms)));
    else if (lines !== null) item.append(make("p", {}, make("code", {}, marked(lines, terms))));
    else if (text) item.append(make("p", {}, text.length > WIDE ? `${text.slice(0, text.lastIndexOf(" ", WIDE))} …` : text));
    return item;
  }

  // ------------------------------------------------------------------ the index, when it is needed

  let coming = null;
  function load() {
    coming ??= new Promise((resolve, reject) => {
      const script = make("script", { src: `${ROOT}_static/search-index.js` });
      script.onload = () => resolve(self.gptSearchIndex);
      script.onerror = () => { coming = null; reject(new Error("no index")); };
      document.head.append(script);
    });
    return coming;
  }

  // ------------------------------------------------------------------ a field and its results

  function attach(form) {
    const field = form.querySelector("input"), dialog = form.closest("dialog");
    const status = make("p", { class: "gpt-found-status", role: "status" });
    const list = make("ol", { class: "gpt-found-list" });
    const box = make("div", { class: "gpt-found" }, status, list);
    form.after(box);
    let asked = null, shown = AT_ONCE[dialog ? "dialog" : "page"];

    async function answer() {
      const question = field.value.trim();
      if (question === asked) return;
      asked = question;
      shown = AT_ONCE[dialog ? "dialog" : "page"];
      if (!wordsOf(question).length) return show([], "", question, true);
      let index;
      try {
        index = await load();
      } catch {
        asked = null;
        status.textContent = "The index of the search could not be loaded.";
        return;
      }
      if (question !== field.value.trim()) return; // the reader has gone on typing
      const { rows, whole } = search(index, question);
      const n = rows.length, places = `${n} place${n === 1 ? "" : "s"}`;
      const said = !n ? "Nothing in the book has these words." : whole ? places
        : `No place has all these words; ${places} ${n === 1 ? "has" : "have"} some of them.`;
      show(rows, said, question);
      if (!dialog) history.replaceState(null, "", `?q=${encodeURIComponent(question)}`);
    }

    function show(rows, said, question) {
      const terms = wordsOf(question).map(finder);
      status.textContent = said;
      list.replaceChildren(...rows.slice(0, shown).map((row) => result(row, question, terms)));
      box.querySelector(".gpt-found-more")?.remove();
      if (rows.length <= shown) return;
      const left = rows.length - shown, all = dialog
        ? make("a", { href: `${ROOT}search.html?q=${encodeURIComponent(question)}` }, `All ${rows.length} places`)
        : make("button", { type: "button" }, `Show ${left} more`);
      if (!dialog) all.addEventListener("click", () => {
        const next = list.children.length;
        shown = rows.length;
        show(rows, said, question);
        list.children[next]?.querySelector("a").focus();
      });
      box.append(make("p", { class: "gpt-found-more" }, all));
    }

    field.addEventListener("focus", () => load().catch(() => {}), { once: true });
    field.addEventListener("input", answer);
    form.addEventListener("submit", (event) => {
      if (dialog) return; // the page of all results opens
      event.preventDefault();
      answer();
    });
    const around = dialog ?? box.parentElement;
    around.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const stops = [field, ...box.querySelectorAll("a, button")], at = stops.indexOf(document.activeElement);
      const next = stops[at + step];
      if (at < 0 || !next) return;
      event.preventDefault();
      next.focus();
    });
    list.addEventListener("click", (event) => {
      if (dialog && event.target.closest("a")) dialog.close(); // it may lead to this very page
    });
    if (dialog) return;
    field.value = new URLSearchParams(location.search).get("q") ?? "";
    field.focus();
    field.select();
    answer();
  }

  // ------------------------------------------------------------------ marks where a result leads

  const UNMARKED = "script, style, svg, mjx-container, .math, mark, button, input, select, textarea, figure, .headerlink";

  function unmark() {
    document.querySelectorAll("mark.gpt-mark").forEach((one) => {
      const parent = one.parentNode;
      one.replaceWith(...one.childNodes);
      parent.normalize();
    });
    document.querySelector(".gpt-marks")?.remove();
  }

  function markWords() {
    unmark();
    const question = new URLSearchParams(location.search).get("mark") ?? "";
    const terms = wordsOf(question).map(finder);
    const article = document.querySelector("article");
    if (!terms.length || !article) return;
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const place = target && article.contains(target) ? target : article;
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode())
      if (!walker.currentNode.parentElement.closest(UNMARKED)) texts.push(walker.currentNode);
    for (const node of texts) {
      if (!terms.some((find) => node.data.search(find) >= 0)) continue;
      const parts = marked(node.data, terms);
      parts.querySelectorAll("mark").forEach((one) => one.classList.add("gpt-mark"));
      node.replaceWith(parts);
    }
    const marks = [...place.querySelectorAll("mark.gpt-mark")];
    const waiting = marks.filter((one) => one.closest("[hidden]")).length;
    const open = marks.find((one) => !one.closest("[hidden]"));
    const fold = open?.closest("details:not([open])");
    if (fold) fold.open = true;
    const said = `${marks.length} mark${marks.length === 1 ? "" : "s"} for “${question}”`
      + (waiting ? `, ${waiting} of them in a result that waits for your guess` : "");
    const away = make("button", { type: "button" }, "Remove (Esc)");
    away.addEventListener("click", unmark);
    document.body.append(make("div", { class: "gpt-marks", role: "status" }, make("span", {}, said), away));
    if (open && (place === article || open.getBoundingClientRect().top > innerHeight * 0.8))
      open.scrollIntoView({ block: "center" });
  }

  document.querySelectorAll("form.bd-search").forEach(attach);
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape") unmark();
  });
  addEventListener("hashchange", markWords);
  markWords();
})();
