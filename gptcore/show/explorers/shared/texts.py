"""What explorers of a model on some texts share: the texts, their names, the reader's own.

Source: ours.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from traitlets import Dict, Float, Int, List, Unicode, observe

from gptcore.model import GPT
from gptcore.show.explorers.engine.engine import megabytes, shipped_name
from gptcore.show.widgets import Explorer
from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.words import END_OF_WORD, UNKNOWN

__all__ = ["TextExplorer", "answered_by", "between", "label", "name_of", "named", "room"]

LONG_NAME = 48  # characters of a text that name it in the list of texts


class TextExplorer(Explorer):
    """An explorer of what a model does with a text: of several, and of any text typed.

    Python answers what is typed in Jupyter; in the built book the engine does, if the model is one
    that the course ships (`gptcore.show.explorers.engine`).

    A subclass sets `_ask`, which gives what the page needs to show a text, its `look`: at least
    tokens, the `label` of each, and of, the number of tokens before a cut.
    """

    texts = List(Dict()).tag(sync=True)
    """One `look` per text, with its name."""
    text = Int(0).tag(sync=True)
    """Which text is chosen, counted from 0."""
    asked = Unicode("").tag(sync=True)
    """A text that the reader has typed; Python answers it with `own`."""
    own = Dict().tag(sync=True)
    """The `look` of that text, or {"asked": text, "error": why there is none}; {} before."""
    shipped = Unicode("").tag(sync=True)
    """The name of the shipped model that this is, which a page can run; "" for any other."""
    megabytes = Float(0.0).tag(sync=True)
    """How much a page loads for it."""
    room = Int(0).tag(sync=True)
    """How many tokens of a text are shown."""
    _ask: Callable[[str], dict[str, Any]]

    @observe("asked")
    def _answer(self, change: dict[str, Any]) -> None:
        asked = change["new"]
        try:
            self.own = {"asked": asked, "name": name_of(asked), **self._ask(asked)}
        except Exception as error:  # shown to who asked; the kernel's log is out of their sight
            self.own = {"asked": asked, "error": f"{error}"}


def label(tokenizer: Tokenizer, token_id: int) -> list[str]:
    """What stands for a token on the page: [its text, its kind].

    Kinds: "text"; "special", for a token outside the text; "bytes", for a part of a character,
    whose bytes are written in hexadecimal.
    """
    name = tokenizer.token_str(token_id)
    if name in tokenizer.specials or name == UNKNOWN:
        return [name, "special"]
    if tokenizer.kind == "word":
        return [name.replace(END_OF_WORD, " "), "text"]
    raw = tokenizer.decode_bytes([token_id])
    try:
        return [raw.decode(), "text"]
    except UnicodeDecodeError:
        return [raw.hex(" ").upper(), "bytes"]


def named(texts: Sequence[str] | Mapping[str, str]) -> list[tuple[str, str]]:
    """Texts with their names, (name, text); a text without one is named by its beginning.

    Raises:
        TypeError: `texts` is one string.
        ValueError: there is no text.
    """
    if isinstance(texts, str):
        raise TypeError(f"texts={texts!r} must be several texts, not one")
    pairs = list(texts.items()) if isinstance(texts, Mapping) else [(name_of(t), t) for t in texts]
    if not pairs:
        raise ValueError(f"texts={texts!r} must hold at least one text")
    return pairs


def name_of(text: str) -> str:
    """The beginning of a text on one line, at most `LONG_NAME` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONG_NAME else line[: LONG_NAME - 1].rstrip() + "…"


def between(name: str, value: int, low: int, high: int) -> None:
    """Insist on low <= value <= high.

    Raises:
        ValueError: it is not so; the message names field, value and bounds.
    """
    if not low <= value <= high:
        raise ValueError(f"{name}={value} must be between {low} and {high}")


def room(max_tokens: int, n_ctx: int) -> int:
    """How many tokens of a text are shown, where a model can read `n_ctx`.

    Raises:
        ValueError: max_tokens is not positive.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens={max_tokens} must be at least 1")
    return min(max_tokens, n_ctx)


def answered_by(model: GPT, tokenizer: Tokenizer, tokens: int) -> dict[str, Any]:
    """The traits from which a page without Python knows how to answer a text that is typed.

    Args:
        model, tokenizer: of the explorer. tokens: of a text that are shown at most.
    """
    name = shipped_name(model, tokenizer)
    return {"shipped": name, "megabytes": megabytes(model) if name else 0.0, "room": tokens}
