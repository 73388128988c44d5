"""Several judges as one, by hand."""

import pytest
import torch

from gptcore.heads.ensemble import Ensemble


class Says:
    """A judge that says what it was told to."""

    def __init__(self, *scores):
        self.scores = scores

    def score(self, prompts, responses):
        return torch.tensor(self.scores)


JUDGES = [Says(1.0, 2.0), Says(3.0, 2.0), Says(2.0, -1.0)]


@pytest.mark.parametrize(
    "how, expected",
    [
        ("mean", [2, 1]),
        ("worst", [1, -1]),
        ("uncertain", [2 - 0.5 * 2 / 3, 1 - 0.5 * 2]),  # variances (1+1+0)/3 and (1+1+4)/3
    ],
)
def test_three_judges(how, expected):
    found = Ensemble(JUDGES, how).score(["a", "b"], ["x", "y"])
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32))


def test_one_judge_and_ensembles_of_ensembles():
    for how in ("mean", "worst", "uncertain"):
        alone = Ensemble([JUDGES[0]], how)
        assert Ensemble([alone, alone], how).score(["a"] * 2, ["x"] * 2).tolist() == [1.0, 2.0]


def test_what_is_no_ensemble():
    with pytest.raises(ValueError, match="judges is empty"):
        Ensemble([])
    with pytest.raises(ValueError, match="how='best' must be one of mean, worst, uncertain"):
        Ensemble(JUDGES, "best")
    with pytest.raises(ValueError, match="penalty=nan must be at least 0"):
        Ensemble(JUDGES, penalty=float("nan"))
