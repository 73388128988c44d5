"""The grid of decoding: chapter 10.

Source: GPT-2's released code (temperature, top-k, top-p); Holtzman et al. 2019; GPT-3 §2.4 (beams);
Keskar et al. 2019 (repetition).
"""

from __future__ import annotations

from typing import Any

from grids_finetuning import digest

from gptcore.experiments import Condition, Grid
from gptcore.experiments.decoding import decoded

BODY = "tales-gpt1"
N, SAMPLES = 32, 2
BUDGET = f"{N} openings of tales that the model has not seen, {SAMPLES} drawn texts of each"


def way(name: str, samples: int = SAMPLES, **how: Any) -> Condition:
    """One way of decoding."""
    settings = {"body": BODY, "weights": digest(BODY), "n": N, "samples": samples, "how": how}
    return Condition(name, settings)


DRAWN = (
    *(way(f"temperature {t:g}", temperature=t) for t in (0.4, 0.7, 1.0)),
    *(way(f"top-k {k}", top_k=k) for k in (5, 40)),
    *(way(f"top-p {p:g}", top_p=p) for p in (0.5, 0.9)),
    *(way(f"top-p {p:g}, openai", top_p=p, top_p_rule="openai") for p in (0.5, 0.9)),
)
PENALTIES = {
    "greedy": {},
    "greedy, penalty 1.2": {"repetition_penalty": 1.2},
    "greedy, penalty 1.2, paper": {"repetition_penalty": 1.2, "repetition_rule": "paper"},
    "greedy, penalty 1.5": {"repetition_penalty": 1.5},
}
FOUND = (
    *(way(name, 1, temperature=0, **how) for name, how in PENALTIES.items()),
    *(way(f"beam {n}", 1, beams=n) for n in (2, 4)),
    way("beam 4, no length penalty", 1, beams=4, length_penalty=0.0),
)


def decoding() -> list[Grid]:
    """What is drawn with three seeds, and what knows no chance with one."""
    return [
        Grid("decoding", decoded, DRAWN, (0, 1, 2), BUDGET),
        Grid("decoding", decoded, FOUND, (0,), BUDGET),
    ]


GRIDS = (decoding,)
