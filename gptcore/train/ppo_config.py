"""The settings of PPO on a language model, rows of them, and what an iteration tells.

    PPOConfig(steps=200)                           for the course's networks
    replace(RECIPES["instructgpt"], lr=1e-5)       as far as it is published

Source: InstructGPT, App. C.4 and E; Ziegler et al. 2019, §2.2 and its released code (`launch.py`);
Shao et al. 2024 (GRPO), §4.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Advantage = Literal["gae", "group"]
"""What a response is compared with: what a value function expected (gae), or the other responses
to its prompt (group)."""


@dataclass(frozen=True)
class PPOConfig:
    """How a policy learns from scores. The defaults suit networks as small as the course's.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field breaks its rule; the message names field, value and rule.
    """

    steps: int = 100
    """Iterations: responses are drawn, scored and learned from."""
    batch_size: int = 64
    """Prompts per iteration."""
    n_samples: int = 1
    """Responses to each of them."""
    minibatches: int = 4
    """Parts of an iteration's responses, with an update of the weights for each."""
    epochs: int = 1
    """How often each response is learned from: InstructGPT's inner epochs."""
    max_new_tokens: int = 48
    """Longest response in tokens, its stop token included."""
    temperature: float = 1.0
    """Divides the logits when responses are drawn, and wherever their probability is taken."""
    lr: float = 5e-4
    """Learning rate of the policy, constant after the warm-up."""
    value_lr: float = 1e-3
    """Learning rate of the value function."""
    warmup: int = 10
    """Iterations over which both rise in a line from a tenth of it."""
    beta: float = 0.05
    """β, the price of a nat of distance from the reference, in units of the score."""
    kl_target: float | None = None
    """Nats per response that β is steered towards; None: β is fixed."""
    kl_horizon: int = 10_000
    """Responses over which a KL too large by a fifth or more makes β larger by about a fifth."""
    clip: float = 0.2
    """ε of the policy: how far the probability of a token may move in an iteration and gain."""
    value_clip: float | None = 0.2
    """ε of the value function, in units of the score; None: it may move as far as it likes."""
    gamma: float = 1.0
    """Discount per token: 1 is none."""
    lam: float = 0.95
    """λ of generalized advantage estimation."""
    whiten_rewards: bool = False
    """Divide the rewards by their spread, their mean kept, before advantages are taken."""
    advantage: Advantage = "gae"
    """gae: PPO. group: GRPO, which has no value function: a response is compared with the others
    to its prompt, and β times the KL is a part of the loss, not of the reward."""
    unstopped: float | None = None
    """The score of a response without stop token, in place of its own; None: it keeps its own."""
    ptx: float = 0.0
    """γ, the weight of the language-model loss on pre-training text, of which each update reads a
    batch (PPO-ptx). Both losses are means per token, so 1 weighs them alike."""
    ema: float | None = None
    """How much of the old average of the weights an iteration keeps; None: no average."""
    grad_clip: float = 1.0
    """Longest gradient, of the policy and of the value function each."""
    seed: int = 0
    """Draws the order of the prompts, the responses, and the minibatches."""

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "n_samples", "minibatches", "epochs", "max_new_tokens")
        least = {**dict.fromkeys((*counts, "kl_horizon"), 1), "warmup": 0, "seed": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name}={value!r} must be an int")
            if value < lowest:
                raise ValueError(f"{name}={value} must be at least {lowest}")
        for name in ("lr", "value_lr", "temperature", "clip", "grad_clip"):
            self._check(name, "greater than 0", lambda x: x > 0)
        for name in ("beta", "ptx"):
            self._check(name, "at least 0", lambda x: x >= 0)
        for name in ("gamma", "lam"):
            self._check(name, "in [0, 1]", lambda x: 0 <= x <= 1)
        for name in ("kl_target", "value_clip"):
            self._check(name, "greater than 0, or None", lambda x: x > 0, optional=True)
        self._check("unstopped", "a finite number, or None", lambda x: True, optional=True)
        self._check("ema", "in (0, 1), or None", lambda x: 0 < x < 1, optional=True)
        self._check_together()

    def _check(
        self, name: str, rule: str, holds: Callable[[float], bool], *, optional: bool = False
    ) -> None:
        value = getattr(self, name)
        if value is None and optional:
            return
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise TypeError(f"{name}={value!r} must be a number" + (" or None" * optional))
        if not math.isfinite(value) or not holds(value):
            raise ValueError(f"{name}={value} must be {rule}")

    def _check_together(self) -> None:
        if self.clip >= 1:
            raise ValueError(f"clip={self.clip} must be in (0, 1)")
        if self.advantage not in get_args(Advantage):
            names = ", ".join(get_args(Advantage))
            raise ValueError(f"advantage={self.advantage!r} must be one of {names}")
        if self.advantage == "group" and self.n_samples < 2:
            raise ValueError(
                f"n_samples={self.n_samples} must be at least 2 for advantage='group': a response "
                "is compared with the others to its prompt"
            )
        if self.minibatches > self.responses:
            raise ValueError(
                f"minibatches={self.minibatches} must be at most {self.responses}, the responses "
                "of an iteration"
            )

    @property
    def responses(self) -> int:
        """Responses per iteration."""
        return self.batch_size * self.n_samples


RECIPES: dict[str, PPOConfig] = {
    # ours: four settings, one run each with a toy reward; between what did well and best
    "small": PPOConfig(),
    "grpo-small": PPOConfig(advantage="group", batch_size=16, n_samples=4),
    # InstructGPT, App. C.4 and E: 256k episodes; prompts of up to 1k tokens leave as many of its 2k
    # to a response. The policy's rate was never published; this is the middle, by ratio, of the
    # range that was searched. The γ of 27.8 weighs losses of which it is not said what they are
    # divided by, so none is set here.
    "instructgpt": PPOConfig(
        steps=500,
        batch_size=512,
        minibatches=8,
        max_new_tokens=1000,
        lr=8e-6,
        value_lr=9e-6,
        beta=0.02,
        ema=0.992,
    ),
    # Ziegler et al. 2019, released code, the sentiment task of `launch.py`: a million episodes. Its
    # rate falls in a line to 0, here it does not; its policy and value function share a body, here
    # they do not.
    "ziegler": PPOConfig(
        steps=1954,
        batch_size=512,
        minibatches=1,
        epochs=4,
        max_new_tokens=24,
        temperature=0.7,
        lr=1e-5,
        value_lr=1e-5,
        warmup=0,
        beta=0.15,
        kl_target=6.0,
        whiten_rewards=True,
    ),
    # Shao et al. 2024, §4.2: 64 samples to each question, 1,024 in a batch, one update for it.
    "grpo": PPOConfig(
        batch_size=16,
        n_samples=64,
        minibatches=1,
        max_new_tokens=1024,
        lr=1e-6,
        beta=0.04,
        advantage="group",
    ),
}
"""Name -> settings; what is not published stays at our defaults."""


@dataclass(frozen=True)
class PPOStep:
    """What one iteration did. All but the losses is about the policy as it was before it."""

    step: int
    """Iterations done, this one included."""
    tokens: int
    """Tokens of responses learned from since the beginning."""
    reward: float
    """Mean score of the responses, before anything is taken off."""
    true_reward: float | None
    """Mean of what `true_reward` says of them; None where there is none."""
    kl: float
    """Distance from the reference, in nats per response: mean log π(y|x) / π_ref(y|x)."""
    kl_k3: float
    """The same by the estimator k3, which varies less."""
    beta: float
    """β of this iteration."""
    length: float
    """Mean tokens of a response, the stop token included."""
    unstopped: float
    """Share of responses without stop token."""
    entropy: float
    """Mean nats of the distributions that tokens were drawn from."""
    clip_fraction: float
    """Share of tokens that the clip has cut."""
    value_error: float
    """Mean square of what was earned from a token on less what was expected; 0 without value
    function."""
    loss: float
    """Mean of what the policy minimised."""
    ptx_loss: float | None
    """Nats per token of the pre-training text; None where none is read."""
    grad_norm: float
    """Mean length of the policy's gradient before clipping."""
    lr: float
    """Learning rate of the policy."""
    tokens_per_s: float
    """Tokens of responses by the seconds of the whole iteration."""
    rollout_tokens_per_s: float
    """By the seconds in which they were drawn."""
    update_tokens_per_s: float
    """By the seconds in which they were learned from, reference and values included."""
