"""The measurements run, do equal work, and divide the right way round."""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from node import node

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

import finetuning  # noqa: E402
from peers.timing import Apart, Run, alternate, header, line, report  # noqa: E402
from peers.trainer import Mark, rows  # noqa: E402

from gptcore.text.inputs import Batch  # noqa: E402

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


def test_a_program_apart_is_timed_where_it_runs():
    """Each keeps its state from call to call; CPU time is not that of who waits for it."""
    a, b = Apart(partial, os.getpid), Apart(partial, os.getpid)
    assert len({a.run().result, b.run().result, os.getpid()}) == 3
    numbers, adder = Apart(partial, next, iter([10, 11])), Apart(partial, sum, range(3_000_000))
    timed = alternate(2, {"numbers": numbers, "sum": adder})
    assert [run.result for run in timed["numbers"]] == [10, 11]
    assert all(0 < run.cpu <= run.wall + 0.05 for run in timed["sum"])
    with pytest.raises(RuntimeError, match="the process that was to be timed has ended"):
        numbers.run()
    for program in (a, b, numbers, adder):
        program.close()


def glance(name, *arguments):
    """What a file of bench prints below its header when it takes a glance."""
    command = [sys.executable, str(BENCH / f"{name}.py"), "--quick", *arguments]
    environment = os.environ | {"PYTHONPATH": str(BENCH.parent)}
    out = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert out.returncode == 0, out.stderr[-2000:]
    return out.stdout.splitlines()[2:]


def assert_ratios(lines, first_target):
    found = [ROW.search(text) for text in lines]
    assert all(found), lines
    for row in found:
        ours, theirs, ratio = (float(x) for x in row.groups()[:3])
        assert ratio == pytest.approx(theirs / ours, abs=0.01)
    assert found[0].group(5) == first_target


@pytest.mark.parametrize(
    ("name", "rows", "target"),
    [
        ("training", 3, ">= 1.3x"),
        ("generation", 5, ">= 3.0x"),
        ("sparse", 16, ">= 10x"),
        ("ppo", 2, ""),
    ],
)
def test_a_glance_prints_ratios_beside_their_targets(name, rows, target):
    lines = glance(name, "--threads", "1")
    assert len(lines) == rows
    assert_ratios(lines, target)


def test_the_engine_of_the_pages_is_compared_with_pytorch():
    """The smallest shipped model in Node; other ids than PyTorch's stop the comparison."""
    node()
    lines = glance("engine")
    assert len(lines) == 1 and lines[0].startswith("tales-gpt2-300k, Node, first token after")
    assert_ratios(lines, "<= 20 ms (50 tokens/s)")


def test_fine_tuning_is_compared_with_the_trainer_and_the_auxiliary_objective_has_a_price():
    """Their losses are ours at every update, or the file stops with an error."""
    *rows, costs = glance("finetuning", "--threads", "1")
    assert len(rows) == 2
    assert_ratios(rows, ">= 1x")
    assert re.fullmatch(r"The auxiliary objective \(lambda = 0.5\) adds -?\d+% to our step", costs)


def test_the_stages_are_compared_with_trl_where_it_is_installed():
    """Its losses are ours at every update, or the file stops with an error."""
    lines = glance("stages", "--threads", "1")
    if lines == ["TRL is not here: pip install --no-deps trl==1.12.0"]:
        pytest.skip(lines[0])
    assert len(lines) == 4
    assert_ratios(lines, ">= 1.15x")


def test_updates_that_warm_up_are_not_counted():
    """Updates end at 1, 3, 4, 6 and 9 s: after two of them, three take 6 s; CPU time is twice."""
    (run,) = runs(9)
    run.result = [Mark(wall, 2 * wall) for wall in (1, 3, 4, 6, 9)], []
    (found,) = finetuning.per_update([run])
    assert (found.wall, found.cpu) == (2, 4)


def test_losses_that_differ_stop_the_comparison():
    """Negative control: one update of two that is not the same."""
    ours, theirs = runs(1, 1)
    ours.result, theirs.result = ([], [2.0, 1.5]), ([], [2.0, 1.5005])
    with pytest.raises(AssertionError, match=r"losses differ: 1.5 and 1.5005"):
        finetuning.check_equal([ours], [theirs])
    theirs.result = [], [2.0, 1.50001]
    finetuning.check_equal([ours], [theirs])


def test_rows_for_the_trainer_are_those_of_our_batches():
    """By hand: the extract token, 9, stands last; padding and our targets are left behind."""
    batch = Batch(
        ids=torch.tensor([[7, 9, 0, 0], [7, 0, 5, 9]]),
        labels=torch.tensor([2, 1]),
        at=torch.tensor([1, 3]),
        targets=torch.zeros(2, 4),
    )
    found = [(row["input_ids"].tolist(), row["labels"].item()) for row in rows([batch])]
    assert found == [([7, 9], 2), ([7, 0, 5, 9], 1)]
