"""Tales: a seeded corpus of small stories whose truth is known exactly.

Source: ours.
"""

from __future__ import annotations

from gptcore.tales.corpus import SETTINGS, SPLITS, Tale, split, tale
from gptcore.tales.stream import tales

__all__ = ["SETTINGS", "SPLITS", "Tale", "split", "tale", "tales"]
