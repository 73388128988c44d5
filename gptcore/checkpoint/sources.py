"""Where the model of a name lies: a folder here, one that the course ships, one on the Hub.

Source: none; huggingface_hub does the fetching.
"""

from __future__ import annotations

import re
from pathlib import Path

from gptcore.checkpoint import shipped
from gptcore.checkpoint.atomic import recover
from gptcore.checkpoint.files import has_weights
from gptcore.checkpoint.openai import is_release
from gptcore.datasets.store import certificate_trouble
from gptcore.extras import needing
from gptcore.tokenizer.folder import FILES


def find(source: str | Path) -> Path:
    """The folder of a model, after a save that was interrupted there is finished.

    A folder here goes first, if it holds a model, be it inside, as the Hub's cache and a Trainer
    keep them; one that only happens to be called like a shipped model is not in its way.

    Args:
        source: a folder, the name of a model that the course ships, or one on the Hugging Face Hub.

    Raises:
        FileNotFoundError: no such folder, no such name, no network, or several models inside; the
            message says what was tried.
        ImportError: the Hub would have to be asked, and huggingface_hub is not installed.
    """
    here, name = Path(source).expanduser(), str(source)
    if here.is_dir():
        recover(here)
        if (here / "config.json").is_file() or is_release(here):
            return here
    if name in shipped.names():
        return shipped.folder(name)
    if here.is_dir() and (inside := _inside(here)):
        recover(inside)
        return inside
    can_be_hub_name = re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name)
    if here.is_dir():
        rule = f"{here / 'config.json'} is absent: not a checkpoint folder"
        if list(here.glob("model.ckpt*")):
            rule += ", but TensorFlow's; the Hugging Face Hub has OpenAI's weights as gpt2, gpt2-xl"
        if can_be_hub_name and not isinstance(source, Path):
            rule += f". For a model called {name} elsewhere, work where no folder has that name"
        raise FileNotFoundError(rule)
    if here.is_file():
        raise FileNotFoundError(f"source={name!r} is a file; give its folder, {here.parent}")
    if isinstance(source, Path) or not can_be_hub_name:
        raise FileNotFoundError(f"source={name!r} is no folder, nor can it be a Hub name")
    return _from_hub(name)


def _inside(folder: Path) -> Path | None:
    """The model that a folder keeps further in: a snapshot in the Hub's cache, a `checkpoint-500`.

    Raises:
        FileNotFoundError: there are several, and none is the one that the cache calls its main.
    """
    head = folder / "refs" / "main"
    if head.is_file():
        main = folder / "snapshots" / head.read_text(encoding="utf-8").strip()
        if (main / "config.json").is_file():
            return main
    found = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/config.json")]
    names = sorted(str(inner.relative_to(folder)) for inner in found if has_weights(inner))
    names = [name for name in names if "." not in name[:1] and "/." not in name]  # being written
    if len(names) > 1:
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        raise FileNotFoundError(
            f"{folder} holds several models; give one of {', '.join(names[:6])}{more}, which lie "
            "in it"
        )
    return folder / names[0] if names else None


def _from_hub(name: str) -> Path:
    """Fetched, or found in the Hub's own cache; a PyTorch file only where there is no other."""
    tried = f"source={name!r} is no folder here, and not shipped (what is: "
    tried += f"{shipped.what_is_shipped()})"
    try:
        with needing("hub"):
            from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"{tried}; to ask the Hugging Face Hub for it: {error}", name=error.name
        ) from error
    wanted = ["config.json", "generation_config.json", "*.index.json", *FILES]
    try:
        folder = Path(snapshot_download(name, allow_patterns=[*wanted, "model*.safetensors"]))
        if not list(folder.glob("model*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*wanted, "pytorch_model*.bin"]))
    except (OSError, ValueError) as error:
        why = "no network, or no such name"
        if (trouble := certificate_trouble(error)) is not None:
            why = (
                f"the certificate that answers for it is not trusted ({trouble}); if a proxy "
                "inspects the traffic, set SSL_CERT_FILE and REQUESTS_CA_BUNDLE to the file with "
                "its certificate"
            )
        raise FileNotFoundError(
            f"{tried}, and the Hugging Face Hub did not give it: {why}. Give the path of a "
            f"downloaded folder instead ({error})"
        ) from error
    return folder
