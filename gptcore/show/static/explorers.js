// Draws the static twin of every explorer of a built page: the module that is live in Jupyter,
// on state kept in the page. A classic script: it works from file:// as from a server, where a
// module cannot be loaded by its address. `explorer-<name>.js` brings the text of a module.
//
// What an explorer may ask for later, and no page loads before: `gptScript(file)`, a script beside
// this one, and `gptModule(name)`, a module that such a script brings.
(() => {
  "use strict";
  const sources = (self.gptExplorers ??= new Map()); // name -> text of the module
  const modules = new Map(); // name -> promise of the module

  const scripts = new Map(); // file -> promise that it has run
  const beside = document.currentScript.src;

  self.gptScript = (file) => {
    if (!scripts.has(file)) {
      scripts.set(file, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = new URL(file, beside).href;
        script.onload = resolve;
        script.onerror = () => {
          scripts.delete(file); // so that it can be tried again
          script.remove();
          reject(new Error(`${file} did not load: is it still beside the book's other files?`));
        };
        document.head.append(script);
      }));
    }
    return scripts.get(file);
  };

  function load(name) {
    if (!modules.has(name)) {
      if (!sources.has(name)) throw new Error("its module is not on the page");
      const text = `${sources.get(name)}\n//# sourceURL=${name}.js`;
      const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      modules.set(name, import(url));
    }
    return modules.get(name);
  }

  self.gptModule = async (name) => {
    if (!sources.has(name)) await self.gptScript(`explorer-${name}.js`);
    return load(name);
  };

  // Bytes stand in the state as { base64 } and reach the module as a DataView.
  function revive(key, value) {
    if (typeof value?.base64 !== "string" || Object.keys(value).length !== 1) return value;
    const text = atob(value.base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new DataView(bytes.buffer);
  }

  // What a module may ask of a widget's model, without a kernel behind it.
  function modelOf(state) {
    const listeners = []; // [event, function]
    const tell = (event, ...news) => {
      for (const [name, listener] of [...listeners]) if (name === event) listener(...news);
    };
    const model = {
      get: (name) => state[name],
      set(name, value) {
        if (Object.is(state[name], value)) return;
        state[name] = value;
        tell(`change:${name}`, model, value);
        tell("change", model);
      },
      save_changes() {},
      on(events, listener) {
        for (const event of events.split(/\s+/)) listeners.push([event, listener]);
      },
      off(events, listener) {
        const names = events?.split(/\s+/);
        const goes = ([name, own]) =>
          (!names || names.includes(name)) && (!listener || own === listener);
        listeners.splice(0, Infinity, ...listeners.filter((entry) => !goes(entry)));
      },
    };
    return model;
  }

  async function draw(figure) {
    const el = document.createElement("div");
    try {
      const module = await load(figure.dataset.explorer);
      const data = figure.querySelector("script[type='application/json']").textContent;
      figure.prepend(el);
      await module.default.render({ model: modelOf(JSON.parse(data, revive)), el });
      figure.classList.add("drawn");
    } catch (error) {
      el.remove();
      figure.classList.add("failed"); // its text stays
      console.error(`The explorer "${figure.dataset.explorer}" was not drawn:`, error);
    }
  }

  // An explorer is drawn when it comes within a screen of what the reader sees.
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        watch.unobserve(target);
        draw(target);
      }
    },
    { rootMargin: "100% 0px" },
  );
  for (const figure of document.querySelectorAll("figure.gpt-explorer-figure"))
    watch.observe(figure);
})();
