"""The base of explorers: every form is there, the state survives the page, nothing breaks out."""

import base64
import json
import re
from pathlib import Path

import pytest
from traitlets import Bytes, Dict, Float, Int, TraitError, Unicode

from gptcore.show import plots, widgets
from gptcore.show.widgets import Explorer

EXPLORERS = Path(widgets.__file__).parent / "explorers"
NAMES = sorted(path.name for path in EXPLORERS.iterdir() if (path / f"{path.name}.css").exists())
MODULES = [*NAMES, "engine"]  # what runs a shipped model draws nothing
VIEW = "application/vnd.jupyter.widget-view+json"


class Counter(Explorer):
    """A state with each kind of value, drawn by the module of another explorer."""

    script = "attention"
    count = Int(3).tag(sync=True)
    share = Float(0.25).tag(sync=True)
    note = Unicode("").tag(sync=True)
    raw = Bytes(b"").tag(sync=True)
    parts = Dict().tag(sync=True)
    secret = Unicode("stays in Python")


def embedded(twin: str) -> dict:
    """The state that the page's script will read, bytes among it."""
    found = re.search(r'<script type="application/json">(.*?)</script>', twin, re.DOTALL)
    return json.loads(found.group(1))


def test_every_form_is_there() -> None:
    """Jupyter's live view, the book's twin, and a fixed plain text; no kernel is needed."""
    data, metadata = Counter(alt="It counts to 3.")._repr_mimebundle_()
    assert set(data) == {VIEW, "text/html", "text/plain"} and metadata == {}
    assert data[VIEW]["model_id"]
    assert data["text/plain"] == "[Explorer: It counts to 3.]"
    assert data["text/html"].startswith('<figure class="gpt-explorer-figure" data-explorer="att')
    assert "<figcaption>It counts to 3.</figcaption></figure>" in data["text/html"]


def test_state_is_the_synced_traits_and_says_that_nobody_answers() -> None:
    """Public synced traits, and no other: not Jupyter's own, not private ones."""
    explorer = Counter(alt="x", count=7, raw=b"\x00\xff", parts={"inner": [b"\x80", "é"]})
    assert embedded(explorer.twin()) == {
        "alt": "x",
        "count": 7,
        "live": False,
        "note": "",
        "parts": {"inner": [{"base64": base64.b64encode(b"\x80").decode()}, "é"]},
        "raw": {"base64": base64.b64encode(b"\x00\xff").decode()},
        "share": 0.25,
    }
    assert explorer.live is True and explorer.state()["raw"] == b"\x00\xff"


def test_text_that_looks_like_markup_stays_text() -> None:
    """A token such as </script> closes nothing, in the state or in the alternative."""
    text = '</script><img src=x onerror="alert(1)"><!--'
    twin = Counter(alt=text, note=text).twin()
    assert twin.count("</script>") == 1 and "<img" not in twin and "<!--" not in twin
    assert embedded(twin)["note"] == text


@pytest.mark.parametrize("alt", ["", " \n"])
def test_an_explorer_without_a_text_is_refused(alt: str) -> None:
    """When it is made and when it is changed; the message shows the text."""
    with pytest.raises(ValueError, match=re.escape(f"got alt={alt!r}")):
        Counter(alt=alt)
    explorer = Counter(alt="x")
    with pytest.raises(ValueError, match=re.escape(f"got alt={alt!r}")):
        explorer.alt = alt
    assert explorer.alt == "x"
    with pytest.raises(TypeError, match="alt"):
        Counter()


def test_what_json_cannot_hold_is_named() -> None:
    """Infinity and foreign objects: the message names the trait."""
    with pytest.raises(ValueError, match="trait 'share' cannot be written as JSON"):
        Counter(alt="x", share=float("inf")).twin()
    with pytest.raises(TypeError, match="trait 'parts' cannot .*set is neither JSON nor bytes"):
        Counter(alt="x", parts={"a": {1}}).twin()
    with pytest.raises(TraitError):
        Counter(alt="x", count="three")


def test_live_view_and_book_run_one_module() -> None:
    """Jupyter gets the text that a page gets; the style that all share comes first."""
    explorer = Counter(alt="x")
    assert explorer._esm == widgets.module("attention")
    assert explorer._css == "".join(widgets.styles("attention").values())
    assert list(widgets.styles("attention")) == ["explorer.css", "texts.css", "attention.css"]
    assert list(widgets.styles("playground")) == ["explorer.css", "tokens.css", "playground.css"]
    with pytest.raises(FileNotFoundError):
        widgets.static("nothing.js")
    with pytest.raises(FileNotFoundError):
        widgets.module("nothing")


def test_scripts_stand_behind_what_they_import_once_each() -> None:
    """A diamond: two scripts import the kit; its text is there once, before both."""
    names = [path.name for path in widgets.scripts("attention_steps")]
    assert names == ["kit.js", "texts.js", "numbers.js", "details.js", "attention_steps.js"]
    text = widgets.module("attention_steps")
    for path in widgets.scripts("attention_steps"):
        own = re.sub(r"^import [^;]+;\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
        assert text.count(own) == 1, path


def test_in_colab_there_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colab shows the first form it knows, and no book is built there."""
    explorer = Counter(alt="x")
    monkeypatch.setitem(widgets.sys.modules, "google.colab", object())
    assert set(explorer._repr_mimebundle_()[0]) == {VIEW, "text/plain"}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_needs_no_other_file(name: str) -> None:
    """No imports, no bundler: what a page with a Blob address can run; and no markup from text."""
    text = widgets.module(name)
    assert text.count("export default") == 1
    assert not re.search(r"^\s*import\b|\bimport\(|\brequire\(", text, re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)


def test_what_is_imported_is_exported_there_and_used() -> None:
    """In one scope an import of too much or too little goes unnoticed; alone it would fail."""
    exported, found = {}, []
    for path in EXPLORERS.glob("*/*.js"):
        text = path.read_text("utf-8")
        names = re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", text, re.MULTILINE)
        names += re.findall(r"^export const \{ \w+: (\w+) \}", text, re.MULTILINE)
        exported[path.resolve()] = set(names)
    for path in exported:
        text = path.read_text("utf-8")
        imports = re.findall(r'^import \{([^{}]+)\} from "([^"]+)";\n', text, re.MULTILINE)
        own = re.sub(r"^import [^;]+;\n|//[^\n]*", "", text, flags=re.MULTILINE)
        asked = {name for names, _ in imports for name in re.findall(r"\w+", names)}
        for names, other in imports:
            there = exported[(path.parent / other).resolve()]
            found += [
                f"{path.name}: {n} of {other}" for n in set(re.findall(r"\w+", names)) - there
            ]
        used = set(re.findall(r"(?:(?<![\w.])|(?<=\.\.\.))[A-Za-z]\w*", own))
        found += [f"{path.name} does not use {name}" for name in sorted(asked - used)]
        for script in widgets.EXPLORERS.glob("shared/*.js"):
            called = {
                n for n in exported[script.resolve()] if re.search(rf"(?<![\w.'`]){n}\(", own)
            }
            known = set(re.findall(r"(?:function|const|let|=>|[({,]) *(\w+)", own)) | asked
            known |= set(re.findall(r"^ +(\w+)\([^)]*\) \{", own, re.MULTILINE))  # methods
            found += [f"{path.name} needs {name}" for name in sorted(called - known)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", NAMES)
def test_an_explorer_looks_for_nothing_outside_of_itself(name: str) -> None:
    """It is a guest in other people's pages: lookups and class names are its own.

    `closest(".cell")` once climbed to Jupyter Book's own div.cell. So scripts look only by `hit`,
    which stays within what listens, and a class is called by the explorer's prefix.
    """
    shared = ("gpt", "tk", "tx")
    for path in widgets.scripts(name):
        text = path.read_text("utf-8")
        lookups = re.findall(r"\.closest\(|document\.\w*(?:querySelector|getElement)\w*", text)
        assert lookups == ([] if path.stem != "kit" else lookups) and len(lookups) <= 1, path
        given = re.findall(r"""class: ["`]([^"`]+)["`]|classList\.\w+\(["`]([^"`]+)""", text)
        given += [(found, "") for found in re.findall(r"""className = ["`]([^"`]+)""", text)]
        plain = [re.sub(r"\$\{[^}]*\}", "", part) for pair in given for part in pair]
        words = {word for part in plain for word in part.split()}
        own = {word.split("-")[0] for word in words} - set(shared)
        assert len(own) <= 1 and all(len(prefix) == 2 for prefix in own), (path, words)
    css = re.sub(r"/\*.*?\*/", "", widgets.styles(name)[f"{name}.css"], flags=re.DOTALL)
    words = set(re.findall(r"\.([a-z][\w-]*)", css)) - {
        "output",
        "cell",
        "cell_output",
        "bd-content",
    }
    assert len({word.split("-")[0] for word in words} - set(shared)) == 1, sorted(words)


def colours(text: str, name: str) -> list[str]:
    """The colours that a style sheet gives to `--gpt-<name>`, in the order of the file."""
    found = re.search(rf"--gpt-{name}: light-dark\((#\w{{6}}), (#\w{{6}})\)", text)
    return list(found.groups()) if found else re.findall(rf"--gpt-{name}: (#\w{{6}});", text)


def test_explorers_wear_the_colours_of_the_book_and_of_its_charts() -> None:
    """One visual language: the values stand in three files, because each must work alone."""
    ours = widgets.styles("attention")["explorer.css"]
    book = (Path(__file__).parents[2] / "book" / "_assets" / "book.css").read_text("utf-8")
    pairs = {"ink": "ink", "quiet": "ink-soft", "rule": "rule", "surface": "surface"}
    for own, the_books in {**pairs, "accent": "accent"}.items():
        assert colours(ours, own) == colours(book, the_books) != [], own
    charts = re.findall(r"--gpt-chart-\d: (#[0-9a-f]{6})", widgets.static("charts.css"))
    light, dark, print_ = charts[:6], charts[6:12], charts[12:]
    assert print_ == light
    assert light == list(plots.PALETTE)
    assert [colours(ours, str(n)) for n in range(1, 7)] == [
        [*p] for p in zip(light, dark, strict=True)
    ]
