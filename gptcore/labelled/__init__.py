"""Labelled texts for fine-tuning: Tales, named real sets, a user's own files, in one shape.

Source: the tasks of GPT-1 §4.1.
"""

from __future__ import annotations

from gptcore.labelled.shape import Labelled, Row
from gptcore.labelled.short_tales import tales

__all__ = ["Labelled", "Row", "tales"]
