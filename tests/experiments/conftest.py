"""The tokenizer of the corpora, and a network that knows nothing."""

import pytest
import torch

from gptcore import GPT, GPTConfig
from gptcore.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The one that all corpora are read with."""
    return Tokenizer.load("data/checkpoints/tales-gpt1")


@pytest.fixture
def model(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> GPT:
    """A new network of the shape that the file's SETTINGS have."""
    torch.manual_seed(0)
    shape = {"vocab_size": tokenizer.vocab_size, "dropout": 0.0, **request.module.SETTINGS["shape"]}
    return GPT(GPTConfig(**shape)).eval()
