"""What explorers of a model on some texts share: names of texts, and checks of what is chosen.

Source: ours.
"""

from collections.abc import Mapping, Sequence

__all__ = ["between", "name_of", "named"]

LONG_NAME = 48  # characters of a text that name it in the list of texts


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
