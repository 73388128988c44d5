"""Listings come from the source itself."""

import sys

import pytest

from gptcore.show import source
from gptcore.show.explorers.live_curve import live_curve as live


def test_source_shows_the_function_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method is listed without its indentation, as highlighted Python, with a fixed text."""
    shown = []
    module = sys.modules["gptcore.show.source"]
    monkeypatch.setattr(module, "display", lambda data, raw: shown.append(data))
    source(live.LiveCurve.close)
    assert shown[0]["text/markdown"].startswith('```python\ndef close(self) -> None:\n    """')
    assert shown[0]["text/plain"] == f"Source of {live.__name__}.LiveCurve.close"


def test_source_refuses_what_has_none() -> None:
    """The message shows what was given."""
    with pytest.raises(TypeError, match="functions and classes, got <built-in function len>"):
        source(len)
