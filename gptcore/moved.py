"""Where modules of earlier versions went: `import gptcore.batches` still works, and says so.

Notebooks and scripts outside this repository import by the names of their day. Such an import
gives a stand-in that passes every name on to the new module and warns once, in one line. Two of
the old modules, `gptcore.generate` and `gptcore.evaluate`, are functions of the package today; so
a stand-in can be called, too, and `gptcore.generate(...)` goes on working after
`import gptcore.generate`.

Source: ours.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "atomic": "checkpoint.atomic",
    "batches": "text.streams",
    "bpe": "tokenizer.bpe",
    "classifier": "heads.classifier",
    "evaluate": "scoring.likelihood",
    "generate": "sampling.drawing",
    "metrics": "scoring.metrics",
    "shipped": "checkpoint.shipped",
    "show.anatomy": "show.explorers.anatomy.anatomy",
    "show.anatomy_parts": "show.explorers.anatomy.anatomy_parts",
    "show.attention_explorer": "show.explorers.attention.attention",
    "show.attention_steps": "show.explorers.attention_steps.attention_steps",
    "show.input_layout": "show.explorers.input_layout.input_layout",
    "show.live": "show.explorers.live_curve.live_curve",
    "show.mask_painter": "show.explorers.mask_painter.mask_painter",
    "show.playground": "show.explorers.playground.playground",
    "show.residual_stream": "show.explorers.residual_stream.residual_stream",
    "show.texts": "show.explorers.shared.texts",
    "show.tokens": "show.explorers.shared.tokens",
    "tales.tasks": "tales.questions",
    "tasks": "text.inputs",
    "textfiles": "text.files",
    "tokenizer_files": "tokenizer.files",
    "training_state": "checkpoint.training_state",
    "vocabulary": "tokenizer.vocabulary",
    "weights": "checkpoint.published",
    "words": "tokenizer.words",
    "zeroshot": "scoring.zeroshot",
}
"""Old module -> new module, both below `gptcore`."""
ELSEWHERE = {
    ("evaluate", "ngram_baselines"): "scoring.ngrams",
    ("weights", "open_folder"): "checkpoint.files",
    ("weights", "open_npy"): "checkpoint.openai",
}
"""(Old module, name) -> new module, for names that did not go with their module."""


class StandIn(ModuleType):
    """A module of an earlier version; its names are those of the new one."""

    def __getattr__(self, name: str) -> Any:
        old = self.__name__.removeprefix("gptcore.")
        return getattr(import_module(f"gptcore.{ELSEWHERE.get((old, name), MOVED[old])}"), name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """What the function of the same name does."""
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **options)


class _Finder(MetaPathFinder, Loader):
    """Asked last, so it sees only names that no file has."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        known = name.startswith("gptcore.") and name.removeprefix("gptcore.") in MOVED
        return ModuleSpec(name, self) if known else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name.removeprefix("gptcore.")]
        message = f"{spec.name} is now gptcore.{new}; import that, the old name will go"
        # As if the importing line had raised it: frames of the import machinery do not count.
        warnings.warn(message, FutureWarning, stacklevel=2)
        return StandIn(spec.name, f"Moved to gptcore.{new}.")

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def install() -> None:
    """Make the old names importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
