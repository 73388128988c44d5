"""The measurements run, do equal work, and divide the right way round."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

from peers.timing import Run, alternate, header, line, report  # noqa: E402

ROW = re.compile(r" +([\d.]+) +([\d.]+) +([\d.]+)x +(?:([\d.]+)x)? *(.*)$")


def runs(*walls):
    found = [Run(int) for _ in walls]
    for run, wall in zip(found, walls, strict=True):
        run.wall, run.cpu = wall, 2 * wall * wall
    return found


def test_a_ratio_is_theirs_by_ours_of_medians(capsys):
    """Medians 2 and 3; CPU 2 · 2² = 8 and 2 · 3² = 18: 1.5 and 2.25."""
    header()
    report("a step", runs(2, 1, 50), runs(3, 3, 0.1), ">= 1.2x", scale=1000)
    line("memory", 10, 25)
    _, step, memory = capsys.readouterr().out.splitlines()
    assert ROW.search(step).groups() == ("2000.000", "3000.000", "1.50", "2.25", ">= 1.2x")
    assert ROW.search(memory).groups()[:3] == ("10.000", "25.000", "2.50")


def test_contenders_take_turns():
    order = []
    timed = alternate(2, {name: lambda name=name: order.append(name) or name for name in "abc"})
    assert order == list("abcabc")
    assert {name: [run.result for run in found] for name, found in timed.items()} == {
        "a": ["a", "a"],
        "b": ["b", "b"],
        "c": ["c", "c"],
    }


@pytest.mark.parametrize(("name", "rows"), [("training", 2), ("generation", 3)])
def test_a_glance_prints_ratios_beside_their_targets(name, rows):
    command = [sys.executable, str(BENCH / f"{name}.py"), "--quick", "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(BENCH.parent)}
    out = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert out.returncode == 0, out.stderr[-2000:]
    found = [ROW.search(text) for text in out.stdout.splitlines()[2:]]
    assert len(found) == rows and all(found), out.stdout
    for row in found:
        ours, theirs, ratio = (float(x) for x in row.groups()[:3])
        assert ratio == pytest.approx(theirs / ours, abs=0.01)
    assert found[0].group(5) == {"training": ">= 1.3x", "generation": ">= 3.0x"}[name]
