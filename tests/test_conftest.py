"""What every test shares, tested: no network, one thread."""

import socket

import pytest
import torch


def test_reaching_for_another_machine_fails_at_once() -> None:
    """An address reserved for documentation (RFC 5737): the message says who was called."""
    with pytest.raises(OSError, match=r"without a network.*\('192.0.2.1', 80\)"):
        socket.create_connection(("192.0.2.1", 80), timeout=5)


def test_this_machine_may_be_called() -> None:
    """Local servers, which the browser tests start, stay within reach."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_one_thread() -> None:
    """Tiny models are fastest on one thread, and results repeat."""
    assert torch.get_num_threads() == 1
