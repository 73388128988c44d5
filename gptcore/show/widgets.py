"""The base of every explorer: a live widget in Jupyter, a static twin in the built book.

An explorer is a Python class with typed traits and an ES module, `explorers/NAME/NAME.js`, whose
`render({ model, el })` draws it from those traits. In Jupyter, Colab and VS Code the traits live
in Python. In the built book the same module runs on the traits as JSON: `static/explorers.js`
gives it a model that needs no Python.

Source: the interface of the module is anywidget's (Manz, Abdennur and Gehlenborg 2024).
"""

import base64
import html
import json
import re
import sys
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Unicode, validate

__all__ = ["Explorer", "module", "scripts", "static", "styles"]

HERE = Path(__file__).parent
EXPLORERS = HERE / "explorers"
IMPORT = re.compile(r'^import \{[^{}]+\} from "(\.\.?/[\w./]+\.js)";\n', re.MULTILINE)


def static(name: str) -> str:
    """Read a file of `gptcore/show/static`, what pages load that have charts or explorers."""
    return (HERE / "static" / name).read_text("utf-8")


def scripts(name: str) -> list[Path]:
    """The scripts of an explorer, each behind what it imports; the last one draws.

    Args:
        name: of the explorer, and of its folder in `explorers`.

    Raises:
        FileNotFoundError: there is no such explorer, or one of its imports is not there.
    """
    found: list[Path] = []

    def add(path: Path) -> None:
        for other in IMPORT.findall(path.read_text("utf-8")):
            add((path.parent / other).resolve())
        found.extend([] if path in found else [path])

    add((EXPLORERS / name / f"{name}.js").resolve())
    return found


def module(name: str) -> str:
    """The ES module of an explorer as one text that imports nothing.

    A page can load no module by its address. So an `import { names } from "../shared/kit.js";`, on
    lines of its own, is left out, and the text of that file stands before it, once. All share one
    scope: a name is given once.
    """
    return "".join(IMPORT.sub("", path.read_text("utf-8")) for path in scripts(name))


def styles(name: str) -> dict[str, str]:
    """The style sheets of an explorer, file name -> text: what all have, then its scripts' own."""
    beside = [path.with_suffix(".css") for path in scripts(name)]
    paths = [EXPLORERS / "shared" / "explorer.css", *beside]
    return {path.name: path.read_text("utf-8") for path in paths if path.exists()}


class Explorer(anywidget.AnyWidget):
    """A picture to play with; subclass it, name its `script`, and tag its traits `sync=True`.

    Every public synced trait of the subclass is part of the twin's state, so it holds what JSON
    can hold, and bytes at any depth, which arrive in JavaScript as a DataView. One called `shipped`
    names the shipped model that the page may ask for: the book then has the engine and its weights.

    Args:
        alt: what the explorer shows, in a sentence or two, with the facts that matter.
        traits: values of the subclass's traits.

    Raises:
        ValueError: `alt` is empty.
        TraitError: a trait does not have the type it was declared with.
    """

    script: str = ""
    """Name of the `module`, and of the explorer's folder."""
    alt = Unicode().tag(sync=True)
    """The text alternative."""
    live = Bool(True, read_only=True).tag(sync=True)
    """Whether Python answers; false in the twin."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        if "script" in vars(cls):
            cls._esm = module(cls.script)
            cls._css = "".join(styles(cls.script).values())
        super().__init_subclass__(**arguments)

    def __init__(self, *, alt: str, **traits: Any) -> None:
        super().__init__(alt=alt, **traits)

    @validate("alt")
    def _alt_says_something(self, proposal: dict[str, Any]) -> str:
        alt = proposal["value"]
        if not alt.strip():
            message = f"an explorer needs a text for readers who cannot see it, got alt={alt!r}"
            raise ValueError(message)
        return alt

    def state(self) -> dict[str, Any]:
        """The traits that the module draws from, by name."""
        foreign = set(anywidget.AnyWidget.class_trait_names())
        names = [name for name in type(self).class_trait_names(sync=True) if name not in foreign]
        return {name: getattr(self, name) for name in names if not name.startswith("_")}

    def twin(self) -> str:
        """The HTML of the static twin: its state for the module, its `alt` for everybody else.

        Raises:
            ValueError, TypeError: a trait holds what JSON cannot hold; the message names it.
        """
        pairs = {**self.state(), "live": False}.items()
        state = ",".join(f"{json.dumps(name)}:{_json(name, value)}" for name, value in pairs)
        shipped = getattr(self, "shipped", "")
        model = f' data-model="{shipped}"' if shipped else ""
        return (
            f'<figure class="gpt-explorer-figure" data-explorer="{self.script}"{model}>'
            f'<script type="application/json">{{{state}}}</script>'
            f"<figcaption>{html.escape(self.alt)}</figcaption></figure>"
        )

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Every form at once: the live view, the twin, and a fixed plain text."""
        data, metadata = super()._repr_mimebundle_(**options)
        data["text/plain"] = f"[Explorer: {self.alt}]"
        if "google.colab" not in sys.modules:  # nobody builds a book there
            data["text/html"] = self.twin()
        return data, metadata


def _json(name: str, value: Any) -> str:
    try:
        text = json.dumps(
            value, default=_bytes, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"trait {name!r} cannot be written as JSON: {error}") from None
    # A literal "<" could close the script element early.
    return text.replace("<", "\\u003c")


def _bytes(value: Any) -> dict[str, str]:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} is neither JSON nor bytes")
