"""The base of explorers: every form is there, the state survives the page, nothing breaks out."""

import base64
import json
import re
from pathlib import Path

import pytest
from traitlets import Bytes, Dict, Float, Int, TraitError, Unicode

from gptcore.show import plots, widgets
from gptcore.show.widgets import Explorer

STATIC = Path(widgets.__file__).parent / "static"
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


def test_module_and_styles_are_the_files_as_they_are() -> None:
    """The live view and the book run one file; the shared style comes before the own one."""
    explorer = Counter(alt="x")
    assert explorer._esm == (STATIC / "attention.js").read_text("utf-8")
    shared = (STATIC / "explorer.css").read_text("utf-8")
    assert explorer._css == shared + (STATIC / "attention.css").read_text("utf-8")
    assert widgets.static("nothing.css") == ""
    with pytest.raises(FileNotFoundError):
        widgets.static("nothing.js")


def test_a_shared_script_stands_where_it_is_imported() -> None:
    """Two explorers encode by one file: each module holds its text once, and its styles too."""
    own, shared = ((STATIC / f"{name}.js").read_text("utf-8") for name in ("playground", "tokens"))
    head, rest = re.split(r"^import [^;]+;\n", own, flags=re.MULTILINE)
    assert widgets.module("playground") == head + shared + rest
    assert list(widgets.styles("playground")) == ["explorer.css", "tokens.css", "playground.css"]
    assert list(widgets.styles("attention")) == ["explorer.css", "attention.css"]


def test_in_colab_there_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colab shows the first form it knows, and no book is built there."""
    explorer = Counter(alt="x")
    monkeypatch.setitem(widgets.sys.modules, "google.colab", object())
    assert set(explorer._repr_mimebundle_()[0]) == {VIEW, "text/plain"}


def test_modules_need_no_other_file() -> None:
    """No imports, no bundler: what a page with a Blob address can run."""
    modules = [path for path in STATIC.glob("*.js") if "export default" in path.read_text("utf-8")]
    assert STATIC / "attention.js" in modules
    for path in modules:
        text = widgets.module(path.stem)
        assert not re.search(r"^\s*import\b|\bimport\(|\brequire\(", text, re.MULTILINE), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), path


def colours(text: str, name: str) -> list[str]:
    """The colours that a style sheet gives to `--gpt-<name>`, in the order of the file."""
    found = re.search(rf"--gpt-{name}: light-dark\((#\w{{6}}), (#\w{{6}})\)", text)
    return list(found.groups()) if found else re.findall(rf"--gpt-{name}: (#\w{{6}});", text)


def test_explorers_wear_the_colours_of_the_book_and_of_its_charts() -> None:
    """One visual language: the values stand in three files, because each must work alone."""
    ours = widgets.static("explorer.css")
    book = (Path(__file__).parents[2] / "book" / "_assets" / "book.css").read_text("utf-8")
    pairs = {"ink": "ink", "quiet": "ink-soft", "rule": "rule", "surface": "surface"}
    for own, the_books in {**pairs, "accent": "accent"}.items():
        assert colours(ours, own) == colours(book, the_books) != [], own
    charts = re.findall(r"const (?:LIGHT|DARK) = \[(.*?)\]", widgets.static("charts.js"))
    light, dark = (re.findall(r"#[0-9a-f]{6}", line) for line in charts)
    assert light == list(plots.PALETTE)
    assert [colours(ours, str(n)) for n in range(1, 7)] == [
        [*p] for p in zip(light, dark, strict=True)
    ]
