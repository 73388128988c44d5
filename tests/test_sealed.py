"""A prediction is one only if it was there first: the file is as it was sealed, and git knows."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "data" / "runs"


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_the_larger_runs_keep_the_seal_of_their_prediction() -> None:
    """SHA-256 of sealed.json, taken when the record was written; another prediction has another."""
    kept = json.loads((RUNS / "larger.json").read_text(encoding="utf-8"))["sealed"]
    content = (RUNS / "sealed.json").read_bytes().replace(b"\r\n", b"\n")
    assert kept == hashlib.sha256(content).hexdigest()
    assert kept != hashlib.sha256(content.replace(b"3.0862", b"2.8862")).hexdigest()


def test_what_was_foretold_is_what_was_run() -> None:
    """Every larger run has a prediction, with the learning rate that it was trained with, and its
    size is in none of the runs that the law was fitted to."""
    told = json.loads((RUNS / "sealed.json").read_text(encoding="utf-8"))["runs"]
    rows = json.loads((RUNS / "larger.json").read_text(encoding="utf-8"))["rows"]
    fitted = json.loads((RUNS / "scaling.json").read_text(encoding="utf-8"))["rows"]
    sizes = {row["condition"].split()[0] for row in fitted if row["role"] == "reported"}
    for row in rows:
        assert row["choice"]["lr"] == told[row["condition"]]["lr"]
        assert row["condition"].split()[0] not in sizes


def test_the_prediction_is_in_gits_history_before_the_result() -> None:
    """The commit that brought sealed.json is an ancestor of the one that brought larger.json, and
    the file has not been touched since."""
    if (
        shutil.which("git") is None
        or git("rev-parse", "--is-shallow-repository").stdout != "false\n"
    ):
        pytest.skip("no git, no checkout, or one without its history")
    came = {
        name: git("log", "--format=%H", "--", f"data/runs/{name}.json").stdout.split()
        for name in ("sealed", "larger")
    }
    if not all(came.values()):
        pytest.skip("not committed yet")
    assert len(came["sealed"]) == 1, "sealed.json was changed after it was sealed"
    first, result = came["sealed"][0], came["larger"][-1]
    assert first != result and git("merge-base", "--is-ancestor", first, result).returncode == 0
