"""Runs of grids that need no network; importable, so that other processes can run them."""

from pathlib import Path
from typing import Any


def noted(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Score by the settings; every call leaves a line in settings["log"], and "fail" fails."""
    with open(settings["log"], "a", encoding="utf-8") as file:
        file.write(f"{settings['name']} {settings.get('lr')} {seed}\n")
    if settings.get("fail") and Path(settings["fail"]).exists():
        raise RuntimeError("the run was stopped")
    valid, test = settings["valid"][str(settings.get("lr"))], settings["test"]
    return {
        "test_set": "made up",
        "valid": valid,
        "test": test,
        "items": "10" * 5,
        "asked otherwise": "01" * 5,
        "labels": None,
    }
