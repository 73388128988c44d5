"""Intervals: worked by hand, against SciPy, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from gptcore.experiments import intervals
from gptcore.experiments.intervals import Runs, interval
from gptcore.experiments.verdicts import above


def test_seeds_by_hand() -> None:
    """One item, scores 0.5, 0.6, 0.7: 0.6 ± t(2) · 0.1 / √3 = 0.6 ± 4.3027 · 0.057735 = 0.2484."""
    found = interval(Runs([[0.5], [0.6], [0.7]]), Runs([[0.0]]))  # a difference has no bounds
    assert found.mean == pytest.approx(0.6)
    assert found.high - found.mean == pytest.approx(0.24841, abs=1e-4)
    assert found.mean - found.low == pytest.approx(0.24841, abs=1e-4)


def test_no_interval_leaves_what_a_score_can_be() -> None:
    """Accuracy stays in 0 to 1, a correlation in -1 to 1; a difference has no such bounds."""
    nearly = np.ones((3, 50))
    nearly[0, :9] = 0
    found = interval(Runs(nearly))
    assert found.high == 1.0 and found.low < 0.9
    assert interval(Runs(nearly), Runs(np.zeros((1, 50)))).high > 1.0
    draw = np.random.default_rng(3).random(6)
    spread = Runs([draw, draw[::-1], draw + 0.2], labels=draw)
    assert interval(spread).high == 1.0 and interval(spread).low >= -1.0


def test_items_alone_are_a_binomial() -> None:
    """One run, 200 of 400 right: ± 1.96 · √(0.25 / 400) = ± 0.049, as far as resampling goes."""
    found = interval(Runs([[0, 1] * 200]))
    assert found.high - found.mean == pytest.approx(0.049, abs=4e-3)


def test_both_sources_widen_it() -> None:
    """± 0.049 of items and ± 0.2484 of seeds are ± √(0.049² + 0.2484²) = ± 0.2532 together.

    Seeds with 200, 240 and 280 of 400 right; single items hardly differ between them, so the
    items' part is near that of a mean of 0.6: 1.96 · √(0.6 · 0.4 / 400) = 0.048 or less.
    """
    items = np.zeros((3, 400))
    for seed, right in enumerate((200, 240, 280)):
        items[seed, :right] = 1
    half = interval(Runs(items)).high - 0.6
    assert 0.2484 < half < np.hypot(0.2484, 0.049)


def test_what_both_sides_share_cancels() -> None:
    """b has a's answers but for ten more right in every seed: the difference is 10/100 in each,
    and of the items only those ten matter: ± 1.96 · √(0.1 · 0.9 / 100) = ± 0.0588."""
    draw = np.random.default_rng(0)
    a = np.repeat(draw.random((1, 100)) < 0.5, 3, axis=0).astype(float)
    a[:, :10], b = 0, a.copy()
    b[:, :10] = 1
    found = interval(Runs(b), Runs(a))
    assert found.mean == pytest.approx(0.1)
    alone = interval(Runs(b))
    assert found.high - found.low < alone.high - alone.low
    assert found.high - found.mean == pytest.approx(0.0588, abs=8e-3)


def test_one_run_of_a_method_without_chance_stands_beside_every_seed() -> None:
    """Majority has one run; the difference is taken to each seed."""
    found = interval(Runs([[1, 1, 1, 0], [1, 1, 0, 0]]), Runs([[0, 0, 1, 0]]))
    assert found.mean == pytest.approx((0.5 + 0.25) / 2)
    turned = interval(Runs([[0, 0, 1, 0]]), Runs([[1, 1, 1, 0], [1, 1, 0, 0]]))
    assert (turned.mean, turned.high) == pytest.approx((-found.mean, -found.low))


def test_correlation_is_scipys() -> None:
    """Per seed and for chosen items; a constant side counts as 0."""
    draw = np.random.default_rng(1)
    labels, items = draw.random(50), draw.random((2, 50))
    runs = Runs(items, labels)
    chosen = draw.integers(0, 50, 50)
    for where in (slice(None), chosen):
        wanted = [stats.pearsonr(row[where], labels[where]).statistic for row in items]
        assert runs.scores(where) == pytest.approx(wanted)
    assert Runs(np.ones((1, 50)), labels).scores() == pytest.approx([0.0])


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_it_holds_the_truth_as_often_as_it_says(n_seeds: int, monkeypatch) -> None:
    """300 made-up experiments with a known mean: at least 93 % of the intervals hold it.

    Seeds shift a run by N(0, 0.06), items differ in how hard they are. The usual bootstrap over
    three seeds would hold it in some 75 %: no wider than from the worst to the best.
    """
    monkeypatch.setattr(intervals, "RESAMPLES", 100)
    draw, held, n = np.random.default_rng(n_seeds), 0, 60
    for _ in range(300):
        chance = 0.6 + draw.normal(0, 0.06, (n_seeds, 1)) + draw.normal(0, 0.15, (1, n))
        items = (draw.random((n_seeds, n)) < chance.clip(0, 1)).astype(float)
        found = interval(Runs(items))
        held += found.low <= 0.6 <= found.high
    assert held / 300 >= 0.93


def test_what_does_not_pair_is_refused() -> None:
    """Other items, other numbers of seeds, other labels; the message names both sides."""
    a = Runs([[0, 1], [1, 1]], name="full")
    with pytest.raises(ValueError, match="'full' has 2 test items and 'short' 1"):
        interval(a, Runs([[1], [1]], name="short"))
    with pytest.raises(ValueError, match="'full' has 2 seeds and 'three' 3"):
        interval(a, Runs(np.ones((3, 2)), name="three"))
    with pytest.raises(ValueError, match="same labels"):
        interval(a, Runs([[0, 1], [1, 1]], labels=[0.0, 1.0]))
    with pytest.raises(ValueError, match="finite"):
        Runs([[0.0, float("nan")]])
    with pytest.raises(ValueError, match=r"\(S, N\)"):
        Runs([])


def test_what_was_seen_is_no_bound() -> None:
    """Three seeds that all gained say no more than Student's t: 0.06 ± 4.3027 · 0.0557 / √3."""
    found = interval(Runs([[0.01], [0.05], [0.12]]))
    assert found.low == pytest.approx(0.06 - 4.303 * 0.0557 / 3**0.5, abs=1e-3)
    assert found.low < 0 < found.high
    assert above(Runs([[0.01], [0.05], [0.12]]), 0).holds is None
    rewards = interval(Runs([[0.9, 1.0], [1.0, 1.0], [0.4, 1.0]]))
    assert rewards.high == 1.0  # rewards of test items from 0 to 1 stay there
    assert interval(Runs([[1.2, 3.0], [1.3, 1.2]])).high > 3  # others have no bounds
