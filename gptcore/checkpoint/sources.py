"""Where the model of a name lies: a folder here, one that the course ships, one on the Hub.

Source: none; huggingface_hub does the fetching.
"""

from __future__ import annotations

import re
from pathlib import Path

from gptcore.checkpoint import shipped
from gptcore.checkpoint.atomic import recover
from gptcore.datasets.store import certificate_trouble
from gptcore.extras import needing
from gptcore.tokenizer.folder import FILES


def find(source: str | Path) -> Path:
    """The folder of a model, after a save that was interrupted there is finished.

    A folder here goes first, if it holds a model; one that only happens to be called like a
    shipped model is not in its way.

    Args:
        source: a folder, the name of a model that the course ships, or one on the Hugging Face Hub.

    Raises:
        FileNotFoundError: no such folder, no such name, no network; the message says what was
            tried.
        ImportError: the Hub would have to be asked, and huggingface_hub is not installed.
    """
    here, name = Path(source).expanduser(), str(source)
    if here.is_dir():
        recover(here)
        if (here / "config.json").is_file():
            return here
    if name in shipped.names():
        return shipped.folder(name)
    can_be_hub_name = re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name)
    if here.is_dir():
        rule = f"{here / 'config.json'} is absent: not a checkpoint folder"
        if can_be_hub_name and not isinstance(source, Path):
            rule += f". For a model called {name} elsewhere, work where no folder has that name"
        raise FileNotFoundError(rule)
    if isinstance(source, Path) or not can_be_hub_name:
        raise FileNotFoundError(f"source={name!r} is no folder, nor can it be a Hub name")
    return _from_hub(name)


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
