"""The built book as files: nothing from elsewhere, nothing twice, no link into the void."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from execute import BUILD
from offline import FONT_PRELOAD, ICON_SCRIPT, external_loads

HTML = BUILD / "html"
ADDRESS = re.compile(r"""<(?:a|link|script|img)\b[^>]*?\b(?:href|src)=["']([^"']+)["']""")
LOADED = re.compile(r"""<(?:link|script|img)\b[^>]*?\b(?:href|src)=["']([^"']+)["']""")
ANCHOR = re.compile(r"""\b(?:id|name)=["']([^"']+)["']""")


def pages() -> dict[Path, str]:
    """Every built page with its HTML."""
    found = {path: path.read_text("utf-8") for path in sorted(HTML.rglob("*.html"))}
    assert found, "the book is not built: run `make book` first"
    return {path: text for path, text in found.items() if "_static" not in path.parts}


@cache
def anchors(page: Path) -> frozenset[str]:
    """The places in a page that an address can name; many links lead to one page."""
    return frozenset(ANCHOR.findall(page.read_text("utf-8")))


def dead_links(page: Path, text: str) -> list[str]:
    """List the local addresses in a page that lead nowhere, anchors included."""
    found = []
    for address in ADDRESS.findall(text):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
        if not target.is_file():
            found.append(address)
        elif parts.fragment and target.suffix == ".html":
            if parts.fragment not in anchors(target):
                found.append(address)
    return found


def test_no_page_loads_anything_from_elsewhere() -> None:
    """Scripts, styles, pictures and fonts all come with the book."""
    assert {page.name: external_loads(text) for page, text in pages().items()} == {
        page.name: [] for page in pages()
    }


def test_no_style_sheet_loads_anything_from_elsewhere() -> None:
    """Style sheets can load fonts and pictures too."""
    loads = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//[^"')]+""")
    found = {path.name: loads.findall(path.read_text("utf-8")) for path in HTML.rglob("*.css")}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_every_local_link_leads_somewhere() -> None:
    """Links, scripts, styles and pictures of every page exist, down to the anchor."""
    found = {page.name: dead_links(page, text) for page, text in pages().items()}
    assert {name: dead for name, dead in found.items() if dead} == {}


def test_dead_links_are_noticed(tmp_path: Path) -> None:
    """Negative control: a missing file, a missing anchor here and there; three good ones pass."""
    (tmp_path / "other.html").write_text('<p id="here">')
    text = (
        '<a href="gone.html">x</a> <a href="other.html#gone">x</a> <a href="#gone">x</a>'
        '<a href="other.html#here">x</a> <a href="#self">x</a> <a href="https://a.org">x</a>'
        '<p id="self">'
    )
    page = tmp_path / "page.html"
    page.write_text(text)
    assert dead_links(page, text) == ["gone.html", "other.html#gone", "#gone"]


def own_weights(texts: dict[Path, str]) -> dict[str, int]:
    """Bytes of each page and of what it alone loads; what two pages load is shared.

    Args:
        texts: page -> its HTML.

    Returns:
        Name of the page -> bytes, before any compression on the way.
    """
    loads = {}
    for page, text in texts.items():
        paths = (unquote(urlsplit(found).path) for found in LOADED.findall(text))
        files = {(page.parent / path).resolve() for path in paths if path}
        loads[page] = {file for file in files if file.is_file()}
    times = Counter(file for files in loads.values() for file in files)
    return {
        page.name: page.stat().st_size + sum(f.stat().st_size for f in files if times[f] == 1)
        for page, files in loads.items()
    }


def test_no_page_weighs_more_than_1_5_megabytes_beyond_what_the_book_shares() -> None:
    """Figures, vocabularies and attention weights travel within the page that shows them."""
    heavy = {name: size for name, size in own_weights(pages()).items() if size > 1.5e6}
    assert heavy == {}


def test_weights_count_what_one_page_alone_loads(tmp_path: Path) -> None:
    """Worked example: 100 bytes are loaded by both pages, 7 by one; links are not loads."""
    for name, size in {"both.js": 100, "one.png": 7, "notes.txt": 50}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    both = '<script src="both.js?v=1"></script>'
    texts = {"a.html": both + '<img alt="" src="one.png">', "b.html": f"{both}<a href=notes.txt>"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    found = own_weights({tmp_path / name: text for name, text in texts.items()})
    assert found == {"a.html": len(texts["a.html"]) + 7, "b.html": len(texts["b.html"])}


def test_one_plotly_and_a_light_book() -> None:
    """One copy of plotly.js, only the used part of MathJax, and charts only where they are."""
    assert len(list(HTML.rglob("plotly*.js"))) == 1
    mathjax = HTML / "_static" / "mathjax"
    assert sum(file.stat().st_size for file in mathjax.rglob("*") if file.is_file()) < 4e6
    for page, text in pages().items():
        assert ("_static/charts.js" in text) == ('class="gpt-chart"' in text), page.name


@pytest.mark.parametrize("word", ["thebe", "require.min.js", "html-manager", "cdn."])
def test_what_was_unplugged_stays_unplugged(word: str) -> None:
    """The parts that ask for a network are not mentioned by any page."""
    assert [page.name for page, text in pages().items() if word in text.lower()] == []


def test_fonts_are_not_preloaded() -> None:
    """A preloaded font is asked for across origins, which a page on the disk may not do."""
    assert [page.name for page, text in pages().items() if FONT_PRELOAD.search(text)] == []
    hint = '<link rel="preload" as="font" type="font/woff2" crossorigin href="a.woff2">\n<p>'
    assert FONT_PRELOAD.sub("", hint) == "<p>"
    assert FONT_PRELOAD.sub("", hint.replace("font", "script")).startswith("<link")


def test_icons_come_once() -> None:
    """The theme brings them as a font, and again as a script of 1.5 MB that freezes the page."""
    assert [page.name for page, text in pages().items() if "fontawesome.js" in text] == []
    assert list(HTML.rglob("fontawesome*.js")) == [] and list(HTML.rglob("fa-solid*.woff2"))
    tag = '<script defer src="_static/scripts/fontawesome.js?digest=1"></script>'
    assert ICON_SCRIPT.sub("", f"<p>{tag}\n<script>a</script>") == "<p><script>a</script>"
