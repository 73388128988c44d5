"""What every test shares: one thread, no network, a model small enough to forget."""

import os
import signal
import socket

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
import torch

torch.set_num_threads(1)

# A shell that starts a job in the background has it ignore Ctrl-C, and its children with it; tests
# that press Ctrl-C mean a process that listens.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOCAL = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for another machine fails at once and says where it wanted to go."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise OSError(f"tests run without a network; something tried to reach {address!r}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def tiny_config():
    """Two layers, sixteen wide: a GPT whose every number could be checked by hand."""
    from gptcore.config import GPTConfig

    return GPTConfig(
        vocab_size=50, n_ctx=16, n_layer=2, n_head=2, d_model=16, norm="post", dropout=0.0
    )


@pytest.fixture
def tiny_gpt(tiny_config):
    """A seeded, untrained GPT of that size, in evaluation mode."""
    from gptcore.model import GPT

    torch.manual_seed(0)
    return GPT(tiny_config).eval()
