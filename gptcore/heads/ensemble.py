"""Several reward models as one, harder to deceive than each of them.

Source: Coste et al. 2023, "Reward Model Ensembles Help Mitigate Overoptimization", §3.2 (mean,
worst case, and the mean less λ times the variance within the ensemble).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from gptcore.heads.reward import Scorer
from gptcore.labelled.dialogues import Prompt

How = Literal["mean", "worst", "uncertain"]


class Ensemble:
    """What several judges say together.

    Args:
        judges: what has `score`; each with the same demonstrations at 0, or the lowest always wins.
        how: "mean"; "worst", the lowest score; "uncertain", the mean less `penalty` times the
            variance, which is that of the judges at hand: its sum is divided by their number.
        penalty: λ.

    Raises:
        ValueError: there is no judge, or an argument breaks its rule.
    """

    def __init__(
        self, judges: Sequence[Scorer], how: How = "mean", *, penalty: float = 0.5
    ) -> None:
        if not judges:
            raise ValueError("judges is empty: an ensemble needs at least 1")
        if how not in get_args(How):
            raise ValueError(f"how={how!r} must be one of {', '.join(get_args(How))}")
        if not penalty >= 0:
            raise ValueError(f"penalty={penalty} must be at least 0")
        self.judges, self.how, self.penalty = list(judges), how, penalty

    def score(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> Tensor:
        """(n,) one score for each prompt and the response beside it."""
        all_of_them = torch.stack([judge.score(prompts, responses) for judge in self.judges])
        mean = all_of_them.mean(0)
        if self.how == "worst":
            return all_of_them.min(0).values
        if self.how == "uncertain":
            return mean - self.penalty * all_of_them.var(0, correction=0)
        return mean
