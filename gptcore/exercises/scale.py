"""The exercises of chapter 12, scale, and what usually goes wrong in them.

Source: GPT-3 Table 2.1, App. B and D; Rajbhandari et al. 2020, §3 and 5; Hoffmann et al. 2022,
eq. 4; McCandlish et al. 2018, App. A.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gptcore.exercises.checking import Exercise, call, compare

__all__ = ["EXERCISES"]


def _count(answer: Any) -> str:
    def count(V: int, n: int, L: int, C: int, **off: float) -> int:
        part = {"biases": 13, "tables": 1, "positions": 1, "last": 1, "matrices": 12, **off}
        blocks = L * (part["matrices"] * C * C + part["biases"] * C)
        return int(
            part["tables"] * V * C + part["positions"] * n * C + blocks + part["last"] * 2 * C
        )

    wrong = {
        "The output matrix is counted by itself. It is the token table again.": {"tables": 2},
        "The position table is missing.": {"positions": 0},
        "Biases and norms of the blocks are missing: 13 C a block.": {"biases": 0},
        "Nine of 13 C are there: the biases are, and each block's two LayerNorms, a gain and a "
        "shift each, are not.": {"biases": 9},
        "The last LayerNorm, behind all blocks, is missing.": {"last": 0},
        "The MLP's inside counts as C wide. It is 4 C: two matrices of 4 C².": {"matrices": 6},
    }
    for sizes in ((50257, 1024, 12, 768), (100, 8, 3, 16), (50257, 2048, 96, 12288)):
        mistakes = {said: count(*sizes, **off) for said, off in wrong.items()}
        given = "V = {}, n = {}, L = {}, C = {}".format(*sizes)
        compare(call(answer, *sizes), count(*sizes), given=given, mistakes=mistakes)
    return "With V = 50,257 and n = 2,048 this gives all eight of GPT-3's sizes."


def _days(answer: Any) -> str:
    def days(N: float, D: float, k: int, peak: float, part: float, passes: int = 6) -> float:
        return passes * N * D / (k * peak * part) / 86_400

    for N, D, k, peak, part in (
        (175e9, 300e9, 1024, 312e12, 0.4),
        (1e9, 2e10, 8, 1e14, 0.3),
        (7e9, 1e12, 64, 989e12, 0.45),
    ):
        right = days(N, D, k, peak, part)
        mistakes = {
            "This counts the pass forward alone. The pass back costs twice as much again: 6 FLOPs "
            "for each parameter and token.": days(N, D, k, peak, part, passes=2),
            "These are seconds.": right * 86_400,
            "These are hours.": right * 24,
            "No device reaches its peak: divide by what it reaches.": days(N, D, k, peak, 1.0),
            "This is the time on one device.": right * k,
            "The utilisation multiplies the time; a lower one makes it longer.": right * part**2,
        }
        given = f"N = {N:g}, D = {D:g}, {k} devices of {peak:g} FLOP/s at {part:.0%}"
        compare(call(answer, N, D, k, peak, part), right, given=given, mistakes=mistakes)
    return "GPT-3's 3,640 petaFLOP/s-days are a month of a thousand A100s, if all goes well."


def _state(answer: Any) -> str:
    parts = (2, 2, 12)  # weights, gradients, and fp32 weights with two averages

    def bytes_of(n: int, k: int, stage: int, parts: tuple[int, ...] = parts) -> float:
        shared = {0: (), 1: (2,), 2: (1, 2), 3: (0, 1, 2)}[stage]
        return sum(size * n / (k if i in shared else 1) for i, size in enumerate(parts))

    for n, k, stage in ((1000, 4, 1), (1000, 4, 2), (1000, 4, 3), (1000, 4, 0), (7_500, 64, 2)):
        right = bytes_of(n, k, stage)
        mistakes = {
            "Eight of the optimizer's 12 bytes are there. Adam's two averages and the weights in "
            "fp32 take 4 each.": bytes_of(n, k, stage, (2, 2, 8)),
            "Everything is shared out, whatever the stage.": bytes_of(n, k, 3),
            "Nothing is shared out, whatever the stage.": bytes_of(n, k, 0),
            "This is one stage further.": bytes_of(n, k, min(3, stage + 1)),
            "These are numbers in fp32 throughout. Weights and gradients take 2 bytes.": bytes_of(
                n, k, stage, (4, 4, 8)
            ),
        }
        given = f"n = {n} parameters, {k} devices, stage {stage}"
        compare(call(answer, n, k, stage), right, given=given, mistakes=mistakes)
    return "At stage 3 every byte of the 16 is somewhere once: this is what FSDP does."


def _split(answer: Any) -> str:
    for E, A, alpha, B, beta, C in (
        (1.7, 400.0, 0.34, 410.0, 0.28, 6e14),
        (1.0, 100.0, 0.5, 100.0, 0.5, 6e12),
        (2.0, 30.0, 0.3, 2000.0, 0.45, 1e13),
    ):

        def best(k: float, a: float, b: float, A: float = A, B: float = B, C: float = C) -> Any:
            N = (a * A / (b * B)) ** (1 / (a + b)) * (C / k) ** (b / (a + b))
            return N, C / k / N

        N, D = best(6, alpha, beta)
        even = math.sqrt(C / 6)
        mistakes = {
            "The two are the other way round: first N, then D.": (D, N),
            "This spends N D. A token costs 6 FLOPs a parameter, so N D is C / 6.": best(
                1, alpha, beta
            ),
            "This spends 2 N D, the pass forward alone.": best(2, alpha, beta),
            "N and D are made equal. That is best only where the law is the same in both.": (
                even,
                even,
            ),
            "The exponents are exchanged: N grows as (C / 6) ** (beta / (alpha + beta)).": (
                best(6, beta, alpha)
            ),
        }
        given = f"E = {E}, A = {A}, alpha = {alpha}, B = {B}, beta = {beta}, C = {C:g}"
        got = call(answer, E, A, alpha, B, beta, C)
        compare(got, (N, D), given=given, mistakes=mistakes)
    return "E plays no part: what nothing can take away does not decide how to spend."


def _noise(answer: Any) -> str:
    def scale(small: float, large: float, b: int, B: int) -> float:
        true = (B * large - b * small) / (B - b)
        return (small - large) / (1 / b - 1 / B) / true

    for small, large, b, B in ((5.0, 2.0, 1, 8), (3.0, 1.5, 2, 32), (1.25, 1.0625, 4, 16)):
        true = (B * large - b * small) / (B - b)
        noise = (small - large) / (1 / b - 1 / B)
        right = noise / true
        mistakes = {
            "This is the noise S by itself. The scale is S over the squared length of the true "
            "gradient.": noise,
            "This is upside down: the noise over the gradient, not the gradient over the noise.": (
                true / noise
            ),
            "The large batch's gradient stands for the true one. It has noise, too: take "
            "(B G_B - b G_b) / (B - b).": noise / large,
            "The squares are squared again: small and large are squared lengths already.": scale(
                small**2, large**2, b, B
            ),
            "Noise falls with 1 / batch, so the difference is divided by 1/b - 1/B.": (
                (small - large) / (B - b) / true
            ),
        }
        given = f"small = {small}, large = {large}, b = {b}, B = {B}"
        compare(call(answer, small, large, b, B), right, given=given, mistakes=mistakes)
    return (
        "Below this many windows a larger batch saves updates, nearly in proportion; far above it, "
        "it only costs more."
    )


def _schedule(answer: Any) -> str:
    def rate(t: float, *, warm: float = 375e6, low: float = 0.1, end: float = 260e9) -> float:
        if t < warm:
            return t / warm
        return low + (1 - low) * (1 + math.cos(math.pi * (t - warm) / (end - warm))) / 2

    def right(t: float, **more: float) -> float:
        return rate(min(t, more.get("end", 260e9)), **more)

    def line(t: float) -> float:
        return right(t) if t < 375e6 else 1 - 0.9 * min(1.0, (t - 375e6) / (260e9 - 375e6))

    wrong: dict[str, Callable[[float], float]] = {
        "The warm-up lasts 37.5 billion tokens here. It is 375 million, 117 updates of 3.2M.": (
            lambda t: right(t, warm=37.5e9)
        ),
        "The cosine goes down to 0. GPT-3's ends at a tenth.": lambda t: right(t, low=0.0),
        "The cosine rises again behind 260 billion tokens. There the rate stays.": rate,
        "The cosine ends at 300 billion tokens, with the run. It ends at 260.": (
            lambda t: right(t, end=300e9)
        ),
        "There is no warm-up.": lambda t: right(max(t, 375e6)),
        "This is a line. A cosine falls slowly at first and at the end.": line,
    }
    for tokens in (20e9, 187.5e6, 130e9, 250e9, 280e9, 300e9, 375e6, 0.0):
        mistakes = {said: rule(tokens) for said, rule in wrong.items()}
        compare(call(answer, tokens), right(tokens), given=f"{tokens:g} tokens", mistakes=mistakes)
    return "Half-way, at 130 billion tokens, it is 0.551 of the peak: 3.306e-4 for the smallest."


EXERCISES = [
    Exercise("12.1", "Count a GPT", "easy", 10, _count),
    Exercise("12.2", "How many days", "easy", 5, _days),
    Exercise("12.3", "What one device keeps", "medium", 15, _state),
    Exercise("12.4", "How to spend it", "medium", 15, _split),
    Exercise("12.5", "How noisy is a gradient", "hard", 20, _noise),
    Exercise("12.6", "GPT-3's learning rate", "medium", 15, _schedule),
]
