"""Runs of a record of demonstrations in prompts, by hand: no network was trained for them."""

import math
from typing import Any

from gptcore.experiments import Record

SIZES = {"100k": (90_000, 0.2), "300k": (300_000, 0.5), "1m": (900_000, 0.8)}
"""Size -> parameters, and how much of a question's probability goes to its right answer."""
CHANGES = {"shuffled": 0.9, "answers alone": 0.7, "another form": 0.6}
"""How much then goes to the question that is shown; behind nothing 0.5, else 0.95."""
FORM = 0.25
"""In another form all answers together have so much; elsewhere nothing else is ever written."""
RIGHTS = ((1, 7, 6, 4), (3, 3, 6, 0))
"""Of the four tales, by hand: by the sea, on a farm, in the mountains, in a town; and relieved,
relieved, wistful, happy."""
ANSWERS = (8, 7)
NAMES = ("100k 1", "300k 1", "1m 1", "1m 1, mixed", "1m 1, apart", "1m 0.1", "300k 0.1")
ONCE = "1m 0.1"


def items(place: float, mood: float) -> str:
    """So much of the 200 places is right, and of the 175 moods."""
    right = round(200 * place), round(175 * mood)
    return "1" * right[0] + "0" * (200 - right[0]) + "1" * right[1] + "0" * (175 - right[1])


def logs(asked: int, tale: int, share: float, known: float, all_told: float) -> list[float]:
    """A question gets its share of what all answers have, the other the rest; in both the right
    answer gets the known part."""
    found = []
    for at, n in enumerate(ANSWERS):
        whole = all_told * (share if at == asked else 1 - share)
        parts = [whole * (1 - known) / (n - 1)] * n
        parts[RIGHTS[at][tale]] = whole * known
        found += [math.log(part) for part in parts]
    return found


def run(condition: str, seed: int = 0, **more: Any) -> dict[str, Any]:
    """A run that knows what its size knows, and takes demonstrations for what they show unless it
    has read pages of mixed questions; no size knows moods as well as places: 0.1 less are right."""
    n_params, known = SIZES[condition.split(" ")[0]]
    shares = [0.5, 0.95, 0.95, 0.95, *CHANGES.values()]
    if "mixed" in condition:
        shares = [0.5] * 7
    names = [*(f"shots {k}" for k in range(4)), *CHANGES]
    pairs = list(zip(names, shares, strict=True))
    right = {name: items(share * known, share * known - 0.1) for name, share in pairs}
    fits = {f"fits {k}": items(shares[k], shares[k]) for k in range(4)}
    each = [(share, known, FORM if name == "another form" else 1) for name, share in pairs]
    options = [[[logs(at, tale, *one) for one in each] for tale in range(4)] for at in (0, 1)]
    row = {"condition": condition, "role": "reported", "seed": seed, "n_params": n_params}
    return {**row, **right, **fits, "items": right["shots 3"], "options": options, **more}


def record() -> Record:
    """Three sizes, three corpora more, two seeds each but for `ONCE`; and a run that chose."""
    rows = [run(name, seed) for seed in (1, 0) for name in NAMES if seed == 0 or name != ONCE]
    return Record({}, [run("1m 1", 100, role="candidate"), *rows])
