"""The text that a finished run was measured on, found again in its folder.

Source: none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptcore.text.streams import TokenStream
from gptcore.tokenizer import Tokenizer


def key_of(settings: dict[str, Any]) -> str:
    """The name of the subfolder of a run that holds the streams which `settings` decide."""
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]


def held_out(folder: str | Path, tokenizer: Tokenizer) -> TokenStream | None:
    """The held-out part of the text of a run, as `run.json` measured it.

    Args:
        folder: of a run, or one that the run has kept in it (OUT/at/UPDATE).
        tokenizer: of the model; a stream that another one made is not the run's.

    Returns:
        The stream, or None where the folder does not tell: it holds a model without a run, a run
        that has not ended, or one whose encoded text was removed.
    """
    folder = Path(folder)
    run = folder.parents[1] if folder.parent.name == "at" else folder
    try:
        data = json.loads((run / "run.json").read_text(encoding="utf-8"))["data"]
        settings = {k: v for k, v in data.items() if not k.startswith(("train_", "valid_"))}
        n_valid, streams = data["valid_tokens"], run / "data" / key_of(settings)
        if "text_sha256" in settings:
            whole = TokenStream.open(streams / "text")
            found = whole.part(len(whole) - n_valid, len(whole))
            found = replace(found, n_bytes=data["valid_bytes"])
        else:
            found = TokenStream.open(streams / "valid")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    same = found.tokenizer == tokenizer.fingerprint and len(found) == n_valid
    return found if same else None
