"""Laws of the loss: known coefficients come back, intervals cover them, poor data are refused."""

import numpy as np
import pytest

from gptcore.experiments import laws
from gptcore.experiments.laws import Law, fit_law, foretell, resample, spread

SIZES, TOKENS = (2e4, 5e4, 1.2e5, 2.6e5, 5.4e5), (2.5e5, 5e5, 1e6, 2e6, 4e6)
N, D = (x.ravel() for x in np.meshgrid(SIZES, TOKENS))


def law(E: float, A: float, alpha: float, B: float, beta: float) -> np.ndarray:
    """Written out here, so that `Law.loss` is not its own witness."""
    return E + A / N**alpha + B / D**beta


@pytest.mark.parametrize(
    "true",
    [
        (1.69, 406.4, 0.34, 410.7, 0.28),  # Hoffmann et al. 2022, eq. 10
        (0.0, 60.0, 0.3, 900.0, 0.45),
        (1.2, 3000.0, 0.8, 50.0, 0.2),
        (2.0, 1e5, 1.2, 1e7, 1.1),
    ],
)
def test_known_coefficients_come_back(true: tuple[float, ...]) -> None:
    """Worked example: without noise, each of the five to a thousandth."""
    found = fit_law(law(*true), N=N, D=D)
    assert (found.E, found.A, found.alpha, found.B, found.beta) == pytest.approx(
        true, rel=1e-3, abs=1e-3
    )
    assert found.loss(N, D) == pytest.approx(law(*true), abs=1e-6)


def test_laws_of_one_variable() -> None:
    """E + A / N^α alone and E + B / D^β alone, each to a thousandth."""
    sizes, tokens = np.array(SIZES), np.array(TOKENS)
    found = fit_law(1.5 + 80 / sizes**0.4, N=sizes)
    assert (found.E, found.A, found.alpha, found.B) == pytest.approx((1.5, 80, 0.4, 0), rel=1e-3)
    found = fit_law(1.5 + 80 / tokens**0.4, D=tokens)
    assert (found.E, found.B, found.beta, found.A) == pytest.approx((1.5, 80, 0.4, 0), rel=1e-3)
    assert found.loss(D=1e8) == pytest.approx(1.5 + 80 / 1e8**0.4, abs=1e-3)


def test_no_part_is_negative() -> None:
    """A loss that *rises* with size is not answered by a negative A: size then explains nothing."""
    found = fit_law(3 + 100 / D**0.4 + 1e-7 * N, N=N, D=D)
    assert found.A == 0 and found.B > 0 and found.E > 0


def test_intervals_cover_what_is_true() -> None:
    """Of 12 noisy grids at least 9 intervals of 95 % hold the true loss of a run further out, and
    at least 9 the true exponent; an interval that always holds it would prove nothing, so the
    widths stay below a tenth of a nat. With ten times the noise they are wider."""
    true, at = (1.7, 400.0, 0.35, 1500.0, 0.4), (1.1e6, 8e6)
    value = 1.7 + 400 / at[0] ** 0.35 + 1500 / at[1] ** 0.4
    groups, held, exponents, widths = np.tile(np.arange(25), 3), 0, 0, []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        given = {"N": np.tile(N, 3), "D": np.tile(D, 3), "groups": groups}
        losses = np.tile(law(*true), 3) + rng.normal(0, 0.01, 75)
        found = foretell(losses, **given, at=at, n=30, seed=seed)
        held += found.low <= value + rng.normal(0, 0.01) <= found.high
        laws = resample(losses, **given, n=30, seed=seed)
        beta = spread([one.beta for one in laws])
        exponents += beta.low <= 0.4 <= beta.high
        widths.append(found.high - found.low)
    assert held >= 9 and exponents >= 9 and max(widths) < 0.1
    noisy = np.tile(law(*true), 3) + np.random.default_rng(0).normal(0, 0.1, 75)
    wide = foretell(noisy, **given, at=at, n=30)
    assert wide.high - wide.low > 3 * max(widths)


def test_the_same_seed_draws_the_same_resamples() -> None:
    losses = law(1.7, 400, 0.35, 1500, 0.4) + np.random.default_rng(0).normal(0, 0.01, 25)
    first, again = (resample(losses, N=N, D=D, n=3, seed=1) for _ in range(2))
    assert first == again != resample(losses, N=N, D=D, n=3, seed=2)


def test_the_best_split_of_a_compute() -> None:
    """Worked by hand: with α = β and A = B the size is the number of tokens, √(C / 6); ten times
    the compute then takes √10 of both. Oracle elsewhere: none of a fine grid is better."""
    even = Law(1.0, 100.0, 0.5, 100.0, 0.5)
    assert even.split(6e12) == pytest.approx((1e6, 1e6))
    assert even.split(6e13) == pytest.approx((10**6.5, 10**6.5))
    uneven = Law(1.7, 400.0, 0.35, 1500.0, 0.4)
    size, tokens = uneven.split(1e13)
    assert 6 * size * tokens == pytest.approx(1e13)
    others = size * np.geomspace(0.1, 10, 2001)
    best = others[np.argmin(uneven.loss(others, 1e13 / 6 / others))]
    assert best == pytest.approx(size, rel=1e-2)
    with pytest.raises(ValueError, match="B=0.0 must be greater than 0"):
        Law(1.0, 2.0, 0.3).split(1e12)
    with pytest.raises(ValueError, match="compute=-1 must be"):
        even.split(-1)


def test_what_cannot_be_fitted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message names the cause and the way out."""
    losses = law(1.7, 400, 0.35, 1500, 0.4)
    cases = [
        ({}, "N=None and D=None"),
        ({"N": N[:5]}, r"N has shape \(5,\) and losses \(25,\)"),
        ({"N": np.full(25, 1e5), "D": D}, "N has 1 different values; at least 3"),
        ({"N": N, "D": np.where(D > 1e6, 2e6, 1e6)}, "D has 2 different values"),
        ({"N": N, "D": -D}, "D=-250000 must be a finite number greater than 0"),
        ({"N": N, "D": 20 * N}, "N and D grow together"),
    ]
    for given, message in cases:
        with pytest.raises(ValueError, match=message):
            fit_law(losses, **given)
    with pytest.raises(ValueError, match="5 runs are too few: 5 numbers are fitted, give 6"):
        fit_law(losses[[0, 6, 12, 18, 20]], N=N[[0, 6, 12, 18, 20]], D=D[[0, 6, 12, 18, 20]])
    with pytest.raises(ValueError, match="3 runs are too few: 3 numbers are fitted, give 4"):
        fit_law([3.0, 2.5, 2.2], N=[1e4, 1e5, 1e6])
    with pytest.raises(ValueError, match="leave diverged runs out"):
        fit_law([*losses[:-1], np.nan], N=N, D=D)
    with pytest.raises(ValueError, match="groups are 2 and losses 25"):
        resample(losses, N=N, D=D, groups=[0, 1])
    monkeypatch.setattr(laws, "fit_law", lambda *args, **more: fit_law(losses[:3], N=N[:3]))
    with pytest.raises(ValueError, match="only 0 of 1000 resamples of 4 groups could be fitted"):
        resample(losses, N=N, D=D, groups=np.arange(25) % 4, n=50)
