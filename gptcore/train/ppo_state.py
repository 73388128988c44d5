"""Who takes part in PPO, what they are asked, and how all of it is saved and found again.

Source: InstructGPT, App. C.4 (the moving average); ours.
"""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from gptcore import checkpoint
from gptcore.heads.value import Value
from gptcore.model import GPT
from gptcore.sampling.prompts import writer_of
from gptcore.sampling.rollouts import tokens_that_stop
from gptcore.text.dialogues import Prompt, prompts_ids
from gptcore.text.streams import Batches
from gptcore.train.guards import Deferred
from gptcore.train.loop import has_run
from gptcore.train.ppo_config import PPOConfig
from gptcore.train.ppo_parts import rate
from gptcore.train.processes import join
from gptcore.train.settings import check_same

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer


class Prompts:
    """The prompts of a run, and which of them an iteration asks.

    Each is asked once, in an order drawn from (seed, epoch), then each once more, and so on: so
    the place in them is the number of the iteration.

    Args:
        policy, tokenizer: that read them.
        texts: prompts; those that leave no room for a response are left out and told of.
        config: the settings.

    Raises:
        TypeError, ValueError: a prompt cannot be read, or none leaves room.
    """

    def __init__(
        self, policy: GPT, tokenizer: Tokenizer, texts: Sequence[Prompt], config: PPOConfig
    ) -> None:
        model = writer_of(policy)
        if tokenizer.vocab_size > model.config.vocab_size:
            raise ValueError(
                f"tokenizer has {tokenizer.vocab_size} tokens, which must not exceed the policy's "
                f"vocab_size={model.config.vocab_size}: they do not belong together"
            )
        self.stop = tokens_that_stop(tokenizer)
        self.config, self.given = config, len(texts)
        room = model.config.n_ctx - config.max_new_tokens
        known = prompts_ids(texts, tokenizer)
        self.texts = [text for text, ids in zip(texts, known, strict=True) if len(ids) <= room]
        self.ids = [ids for ids in known if len(ids) <= room]
        if not self.texts:
            longest = max(map(len, known), default=0)
            raise ValueError(
                f"none of {len(texts)} prompts leaves room: a prompt must have from 1 to {room} "
                f"tokens, n_ctx={model.config.n_ctx} less max_new_tokens={config.max_new_tokens}; "
                f"the longest has {longest}"
            )
        if self.dropped:
            warnings.warn(
                f"{self.dropped} of {len(texts)} prompts have more than {room} tokens, "
                f"n_ctx={model.config.n_ctx} less max_new_tokens={config.max_new_tokens}, and are "
                "left out",
                stacklevel=3,
            )

    @property
    def dropped(self) -> int:
        """How many are left out, being too long."""
        return self.given - len(self.texts)

    def of(self, step: int) -> list[int]:
        """The places of the prompts that an iteration asks, each as often as it is answered."""
        n, size = len(self.texts), self.config.batch_size
        places = range(step * size, (step + 1) * size)
        orders = {
            epoch: np.random.default_rng((self.config.seed, epoch, 2)).permutation(n)
            for epoch in {place // n for place in places}
        }
        chosen = [int(orders[place // n][place % n]) for place in places]
        return [i for i in chosen for _ in range(self.config.n_samples)]

    def identity(self) -> str:
        """A digest of the prompts, in their order."""
        return hashlib.sha256(json.dumps(self.texts).encode()).hexdigest()


class Participants:
    """The networks of a run, their optimizers and its numbers: all that a checkpoint holds.

    Args:
        policy: learns. reference: stays; None: a copy of the policy.
        value: what the value function begins as, see `heads.value`. average: follows the policy.
        text: batches of pre-training text. config: the settings.

    Raises:
        TypeError, ValueError: they do not fit each other or the settings.
    """

    def __init__(
        self,
        policy: GPT,
        reference: GPT | None,
        value: Any,
        average: GPT | None,
        text: Batches | None,
        config: PPOConfig,
    ) -> None:
        if join().size > 1:
            raise ValueError(f"PPO runs in one process, not in {join().size}: leave torchrun out")
        self.policy: GPT = writer_of(policy)
        reference = self.policy if reference is None else writer_of(reference)
        self.reference = copy.deepcopy(reference).eval().requires_grad_(False)
        self.value: Value | None = None
        if config.advantage == "gae":
            self.value = Value.begun_as(self.policy if value is None else value)
            self.value.eval().to(self.policy.device)
        elif value is not None:
            raise ValueError("advantage='group' has no value function: leave value out")
        self._check(average, text, config)
        self.average, self.text, self.config = average, text, config
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.step, self.tokens, self.saved_step, self.beta = 0, 0, -1, config.beta
        self.whole = True
        """False while an iteration or a save is under way."""
        self.folder: Path | None = None
        self.save_every = 0

    def _check(self, average: GPT | None, text: Batches | None, config: PPOConfig) -> None:
        shape = self.policy.config
        others = {"reference": self.reference, "value": self.value}
        for name, model in others.items():
            for field in ("vocab_size", "n_ctx"):
                mine, theirs = (
                    getattr(shape, field),
                    getattr(getattr(model, "config", shape), field),
                )
                if theirs < mine:
                    raise ValueError(
                        f"{name} has {field}={theirs}; it must be at least {mine}, as of the "
                        "policy, to read what that writes"
                    )
        if (average is None) != (config.ema is None):
            raise ValueError(
                f"ema={config.ema} needs average, a copy of the policy that is to follow it"
                if average is None
                else "average needs ema, how much of it an iteration keeps, such as 0.992"
            )
        if (text is None) != (config.ptx == 0):
            raise ValueError(
                f"ptx={config.ptx} needs text, batches of what the policy was pre-trained on"
                if text is None
                else "text is given and ptx=0.0 reads none of it: choose ptx above 0"
            )

    # ------------------------------------------------------------------ learning

    def set_rates(self, config: PPOConfig) -> None:
        """The learning rates of this iteration."""
        peaks = {"policy": config.lr, "value": config.value_lr}
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate(peaks[name], self.step, config.warmup)

    def move(self, name: str, longest: float) -> Tensor:
        """One update of the policy or the value function; the length of its gradient."""
        model: nn.Module = getattr(self, name)
        norm = nn.utils.clip_grad_norm_(model.parameters(), longest)
        self.optimizers[name].step()
        self.optimizers[name].zero_grad(set_to_none=True)
        return norm

    @torch.no_grad()
    def follow(self) -> None:
        """The moving average takes a step towards the policy."""
        if self.average is not None and self.config.ema is not None:
            mean, now = list(self.average.parameters()), list(self.policy.parameters())
            torch._foreach_lerp_(mean, now, 1 - self.config.ema)

    # ------------------------------------------------------------------ saving and resuming

    def keep(
        self,
        folder: str | Path | None,
        tokenizer: Tokenizer,
        save_every: int,
        resume: bool,
        settings: dict[str, Any] | None,
        prompts: Prompts,
    ) -> None:
        """Say where the run is saved, and go back to what is saved there if it is to resume."""
        if save_every < 0:
            raise ValueError(f"save_every={save_every} must be at least 0")
        if (save_every or resume) and folder is None:
            raise ValueError(f"save_every={save_every}, resume={resume} need a checkpoint_dir")
        self.folder = None if folder is None else Path(folder)
        self.tokenizer, self.save_every = tokenizer, save_every
        if self.folder is None:
            return
        # steps: constant rates let a run be prolonged
        self.settings = {
            **(settings or {}),
            "ppo": {name: x for name, x in asdict(self.config).items() if name != "steps"},
            "model": asdict(self.policy.config),
            "tokenizer": tokenizer.fingerprint,
            "prompts_sha256": prompts.identity(),
            "reference_sha256": digest(self.reference),
            "text": self.text.identity() if self.text is not None else None,
        }
        if resume and has_run(self.folder):
            self.load()

    def save(self) -> None:
        """Write the policy and all that resuming needs, together, unless already written."""
        if self.folder is None or self.saved_step == self.step:
            return
        state = {
            "step": self.step,
            "tokens": self.tokens,
            "beta": self.beta,
            "settings": self.settings,
            "value": self.value.state_dict() if self.value is not None else None,
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizers": {name: one.state_dict() for name, one in self.optimizers.items()},
            "text": self.text.state_dict() if self.text is not None else None,
        }
        self.whole = False
        with Deferred() as signals:
            checkpoint.save(self.folder, self.policy, self.tokenizer, training=state)
            self.saved_step = self.step
        self.whole = True
        if signals.received:
            raise KeyboardInterrupt(signals.received)

    def load(self) -> None:
        """Go back to what `save` wrote."""
        assert self.folder is not None
        state = checkpoint.load_training_state(self.folder)
        check_same(self.folder, state["step"], state["settings"], self.settings)
        if state["step"] > self.config.steps:
            raise ValueError(
                f"{self.folder} holds a run at step {state['step']}, past steps={self.config.steps}"
            )
        checkpoint.restore(self.folder, self.policy)
        for name in ("value", "average"):
            if getattr(self, name) is not None:
                getattr(self, name).load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.text is not None:
            self.text.load_state_dict(state["text"])
        self.step = self.saved_step = state["step"]
        self.tokens, self.beta = state["tokens"], state["beta"]


def digest(model: nn.Module) -> str:
    """A digest of a model's weights."""
    found = hashlib.sha256()
    for name, x in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(x.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
