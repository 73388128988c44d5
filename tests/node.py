"""Node, which runs the explorers' own scripts in tests."""

import os
import shutil

import pytest


def node() -> str:
    """Where Node is. Without it the test is skipped, and under CI=true it fails."""
    found = shutil.which("node")
    if found is None and os.environ.get("CI", "").lower() == "true":
        pytest.fail("no Node on this machine, and CI=true requires one")
    if found is None:
        pytest.skip("NO NODE: install Node 20 to have the explorers' scripts tested")
    return found
