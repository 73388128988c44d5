"""A Sphinx extension that makes every page of the book whole without a network.

Left alone, Jupyter Book 1 points its pages at content delivery networks: MathJax, require.js,
the widget manager, thebe. Offline, mathematics and figures are then dead, and two of the pages'
own scripts log errors. Each cure here is at the source of its problem:

1. MathJax is served from the build. `sphinx-mathjax-offline` carries all 24 MB of it; the pages
   use one bundle (SVG output, so there are no fonts to load) and TeX's small extensions. Its
   menu is off, because it would load parts that are not shipped.
2. Charts are pictures. They share one copy of plotly.js, taken from the `plotly` package and loaded
   when a reader points at one, and not before: `gptcore/show/static/charts.js` does that.
3. Explorers bring a module each, taken from `gptcore/show/explorers` and shared by all pages; only
   pages that have the explorer load it, and `explorers.js`, which draws it.
   A shipped model that an explorer may run, and what runs it, lie beside them and are loaded when
   a reader first asks for it, by no page before.
4. No require.js and no widget manager: myst-nb's list of scripts for widgets is emptied.
5. thebe is unplugged: it asks for a CDN, and its script runs twice on a page, which the console
   reports as "THEBE_JS_URL has already been declared".
6. The theme's colour mode gets a value ("auto"); left empty, the theme's script logs "Got invalid
   theme mode". A line in the head resolves it before the first paint, so dark pages do not flash.
7. Hints to preload fonts, which older themes give, are taken out: with `crossorigin` they fail on
   file://. The fonts load without them.
8. Search results come without excerpts: the excerpts are fetched, and `fetch` fails on file://.

At the end every built page is read once more, and anything that it would load from elsewhere is
a warning, which `jupyter-book build -W` turns into a failure.
"""

import json
import re
import shutil
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

from gptcore.show import widgets
from gptcore.show.explorers.engine import engine

logger = logging.getLogger(__name__)

MATHJAX = "mathjax/tex-svg.js"
MATHJAX_PARTS = ("tex-svg.js", "input/tex/extensions")
PLOTLY = "plotly.min.js"
CHARTS, CHARTS_STYLE = "charts.js", "charts.css"
EXPLORER = re.compile(r'<figure class="gpt-explorer-figure" data-explorer="([\w-]+)"')
MODEL = re.compile(r'<figure class="gpt-explorer-figure" [^>]*\bdata-model="([\w-]+)"')
EXPLORERS = "explorers.js"

THEME_BEFORE_PAINT = """
(() => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  if (!["light", "dark"].includes(root.dataset.theme))
    root.dataset.theme = dark.matches ? "dark" : "light";
})();
"""
FONT_PRELOAD = re.compile(r"<link\b(?=[^>]*\brel=.preload\b)(?=[^>]*\bas=.font\b)[^>]*>\s*")
# The theme's icons come as a font and, once more, as this script of 1.5 MB: the font is enough.
ICON_SCRIPT = re.compile(r"<script\b[^>]*\bfontawesome\.js[^>]*>\s*</script>\s*")
# What a browser would load by itself: scripts, style sheets, pictures, frames, fonts, imports.
ELSEWHERE = r"""\s*["']?\s*((?:https?:)?//[^"'\s>)]+)"""
LOADS = re.compile(
    r"<(?:script|img|iframe|source|audio|video|embed)\b[^>]*?\bsrc\s*=" + ELSEWHERE + "|"
    r"<link\b(?![^>]*\brel\s*=\s*[\"']?(?:canonical|author|license))[^>]*?\bhref\s*="
    + ELSEWHERE
    + r"|@import\s+(?:url\()?"
    + ELSEWHERE,
    re.IGNORECASE,
)


def external_loads(page: str) -> list[str]:
    """List the addresses that a page would load from elsewhere.

    Args:
        page: the HTML of a page.

    Returns:
        Addresses in the order of their appearance; links that wait for a click are not loads.
    """
    return [next(filter(None, found.groups())) for found in LOADS.finditer(page)]


def configure(app: Sphinx, config: Config) -> None:
    """Point every configurable part at files that the build ships."""
    config.mathjax_path = MATHJAX
    config.mathjax3_config = {
        "options": {"enableMenu": False},
        # Long display equations scroll in their box instead of widening the page.
        "svg": {"fontCache": "global", "displayAlign": "center"},
    }
    config.nb_ipywidgets_js = {}
    config.html_show_search_summary = False
    config.html_context["default_mode"] = "auto"


def unplug_thebe(app: Sphinx, config: Config) -> None:
    """Take sphinx-thebe, which Jupyter Book always loads, out of the build."""
    for handlers in app.events.listeners.values():
        for handler in [h for h in handlers if h.handler.__module__ == "sphinx_thebe"]:
            handlers.remove(handler)
    app.registry.css_files[:] = [
        (name, attributes)
        for name, attributes in app.registry.css_files
        if name != "sphinx-thebe.css"
    ]


def add_scripts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """Give charts.js and the explorers' modules to the pages that use them, and to no other."""
    body = context.get("body", "")
    app.add_js_file(None, body=THEME_BEFORE_PAINT, priority=1)
    if 'class="gpt-chart"' in body:
        app.add_css_file(CHARTS_STYLE, priority=600)
        app.add_js_file(CHARTS, priority=601, loading_method="defer")
    for name in explorer_files(body):
        if name.endswith(".css"):
            app.add_css_file(name, priority=600)
        else:
            app.add_js_file(name, priority=602, loading_method="defer")


def explorer_files(page: str) -> dict[str, str]:
    """What a page needs for its explorers, in the order in which to load it.

    A page on a disk may load a script but not a module. So a module travels as the text of a
    script, to which `explorers.js` gives an address.

    Args:
        page: the HTML of a page, or of several.

    Returns:
        File name -> its text; nothing for a page without explorers.

    Raises:
        FileNotFoundError: an explorer names a module that gptcore does not have.
    """
    scripts = sorted(set(EXPLORER.findall(page)))
    if not scripts:
        return {}
    files = {name: text for s in scripts for name, text in widgets.styles(s).items()}
    files |= {f"explorer-{script}.js": _as_script(script) for script in scripts}
    return {**files, EXPLORERS: widgets.static(EXPLORERS)}


def late_files(page: str) -> dict[str, str]:
    """What a page may ask for after it is loaded: shipped models, and what runs them.

    Args:
        page: the HTML of a page, or of several.

    Returns:
        File name -> its text; nothing for a page whose explorers name no model.

    Raises:
        KeyError, ValueError: an explorer names a model that is not shipped, or is too large.
    """
    names = sorted(set(MODEL.findall(page)))
    models = {engine.file_name(name): engine.script(name) for name in names}
    return {"explorer-engine.js": _as_script("engine"), **models} if names else {}


def _as_script(name: str) -> str:
    """The module of an explorer as the text of a classic script."""
    text = json.dumps(widgets.module(name), ensure_ascii=False)
    return f'(self.gptExplorers ??= new Map()).set("{name}", {text});\n'


def copy_charts(folder: Path) -> None:
    """Copy what pages with charts load at once, and plotly.js, which they load when asked."""
    _copy(_package("plotly") / "package_data" / PLOTLY, folder / PLOTLY)
    for name in (CHARTS, CHARTS_STYLE):
        _copy(_package("gptcore") / "show" / "static" / name, folder / name)


def ship(app: Sphinx, exception: Exception | None) -> None:
    """Copy the scripts that the pages use, then read the pages for what they would still miss."""
    if exception is not None or app.builder.format != "html":
        return
    pages = {path: path.read_text("utf-8") for path in Path(app.outdir).rglob("*.html")}
    static = Path(app.outdir) / "_static"
    if any(MATHJAX in page for page in pages.values()):
        package = distribution("sphinx-mathjax-offline")
        home = Path(package.locate_file("sphinx-mathjax-offline/static/mathjax"))
        for part in MATHJAX_PARTS:
            _copy(home / part, static / "mathjax" / part)
    if any(CHARTS in page for page in pages.values()):
        copy_charts(static)
    (static / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    book = "".join(pages.values())
    for name, text in {**explorer_files(book), **late_files(book)}.items():
        (static / name).write_text(text, "utf-8")
    for path, page in pages.items():
        if (lighter := ICON_SCRIPT.sub("", FONT_PRELOAD.sub("", page))) != page:
            path.write_text(lighter, "utf-8")
        for address in external_loads(page):
            logger.warning("%s would load %s", path.relative_to(app.outdir), address)


def _package(name: str) -> Path:
    spec = find_spec(name)
    return Path(spec.submodule_search_locations[0])


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("config-inited", configure, priority=900)
    app.connect("config-inited", unplug_thebe)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", ship)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
