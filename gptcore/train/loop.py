"""The training loop as a generator: one record per update, and the caller decides what to do.

    for step in fit(model, batches, OptimConfig(lr=1e-3, warmup=100), steps=1000):
        print(step.step, step.loss)

A run can be killed at any moment and resumed: on a CPU the updates that follow are those of an
unbroken run, bit for bit. Four things make it so. Weights, optimizer and place in the data are
saved together or not at all (`gptcore.checkpoint`). The order of the data is a function of seed
and epoch (`text.streams`). Dropout is drawn from (seed, update), whatever random numbers the
caller uses between updates. And a run refuses to resume with other settings than it started with.

With a `checkpoint_dir`, the model is saved every `save_every` updates, at the end, and when the
loop ends early: by `break`, an error of the caller, Ctrl-C or SIGTERM. The last two let the update
in progress finish and then raise KeyboardInterrupt; a second one stops at once, and so does an
update that fails: then the last checkpoint is what remains.

Source: GPT-1 §4.1 and its released code (clipping, schedule by update); Micikevicius et al. 2018,
"Mixed Precision Training", §3 (loss scaling); Chen et al. 2016, "Training Deep Nets with Sublinear
Memory Cost" (activations computed again).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gptcore import checkpoint
from gptcore.checkpoint.atomic import recover
from gptcore.checkpoint.training_state import SCALARS
from gptcore.modes import bare, evaluating, recomputing
from gptcore.optim import OptimConfig, lr_at, make_optimizer
from gptcore.text.inputs import TaskBatches
from gptcore.text.streams import Batches
from gptcore.train.devices import Spread, check_optimizer
from gptcore.train.guards import SeededRandom
from gptcore.train.loss import LossFn, mean_and_count, model_loss
from gptcore.train.precision import Precision, autocast, choose_precision
from gptcore.train.settings import check_same, fields, with_defaults

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer


@dataclass(frozen=True)
class Step:
    """What one update did."""

    step: int
    """Updates done, this one included."""
    tokens: int
    """Tokens trained on since the beginning."""
    loss: float
    """Mean nats per token of this update's batch, before the update."""
    lr: float
    """Learning rate of this update."""
    grad_norm: float
    """Length of the whole gradient before clipping."""
    tokens_per_s: float
    """Tokens of this update by its duration in seconds."""
    val_loss: float | None = None
    """What `eval_fn` returned after this update; None where it was not due."""


class Diverged(ArithmeticError):
    """The loss or the gradient is not finite. The weights are those before this update."""


def fit(
    model: nn.Module,
    batches: Batches | TaskBatches,
    optim: OptimConfig,
    steps: int,
    *,
    loss_fn: LossFn | None = None,
    accumulate: int = 1,
    precision: Precision = "auto",
    compile: bool = False,
    checkpoint_dir: str | Path | None = None,
    tokenizer: Tokenizer | None = None,
    save_every: int = 0,
    resume: bool = False,
    eval_fn: Callable[[nn.Module], float] | None = None,
    eval_every: int = 0,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    recompute: bool = False,
) -> Iterator[Step]:
    """Train `model`, yielding a record after every update; the text above says how it is saved.

    Args:
        model: trained in place, on its device, its weights in fp32. Of one in a wrapper, such as
            torch.compile's, what is inside is saved and evaluated.
        batches: an iterator of tuples that `loss_fn` takes apart: see `Batches`, `TaskBatches`.
        optim: how weights move; `warmup` must be less than `steps`.
        steps: updates in the whole run, those before a resume included.
        loss_fn: (model, batch) -> (sum, count) or a mean, see `train.loss`; None: the model's own.
        accumulate: batches per update; their gradients add up to that of one large batch.
        precision: "auto": fp32 on a CPU, bf16 on a GPU that has it, fp16 with scaling on others.
        compile: run the loss through torch.compile: slower to start, then faster.
        checkpoint_dir, tokenizer: where to save, and what with the model; None saves nothing.
        save_every: in updates; 0 saves only when the loop ends.
        resume: go on from what `checkpoint_dir` holds; if it holds nothing, begin.
        eval_fn: model -> held-out loss; called every `eval_every` updates (0: never) and last.
        seed: draws dropout. settings: whatever else must be the same when the run is resumed.
        recompute: compute what is inside a block again for its gradient: less memory, more time.

    Raises:
        TypeError, ValueError: an argument breaks its rule, or differs from that of the run to
            resume; the model cannot be saved; an update has nothing to score.
        Diverged: the loss or the gradient is not finite; the last checkpoint stays.
    """
    _check(optim, steps, accumulate, save_every, eval_every, eval_fn, seed)
    run = _Run(
        model, batches, optim, steps, loss_fn, accumulate, precision, compile, seed, recompute
    )
    run.keep(checkpoint_dir, tokenizer, save_every, resume, settings)
    return _loop(run, eval_fn, eval_every)


def _check(
    optim: OptimConfig,
    steps: int,
    accumulate: int,
    save_every: int,
    eval_every: int,
    eval_fn: Callable[[nn.Module], float] | None,
    seed: int,
) -> None:
    for name, value, least in (
        ("steps", steps, 1),
        ("accumulate", accumulate, 1),
        ("save_every", save_every, 0),
        ("eval_every", eval_every, 0),
        ("seed", seed, 0),
    ):
        if value < least:
            raise ValueError(f"{name}={value} must be at least {least}")
    if optim.warmup >= steps and optim.unit == "updates":
        raise ValueError(f"warmup={optim.warmup} must be less than steps={steps}")
    if eval_every and eval_fn is None:
        raise ValueError(f"eval_every={eval_every} needs an eval_fn")


def has_run(folder: str | Path) -> bool:
    """Whether `folder` holds a run that can be resumed."""
    recover(folder)
    return (Path(folder) / SCALARS).is_file()


def _loop(
    run: _Run, eval_fn: Callable[[nn.Module], float] | None, eval_every: int
) -> Iterator[Step]:
    """Update, yield, save, in that order: what the caller wrote down is never behind the save."""
    check_optimizer(run.given, run.optimizer)
    with recomputing(run.model, run.recompute), run.spread.patience():
        try:
            while run.step < run.steps:
                with run.spread.deferred() as signals:
                    record = run.update()
                    due = eval_every and (record.step % eval_every == 0 or record.step == run.steps)
                    if due and eval_fn is not None:
                        run.whole = False  # one that fails is not saved over, but done again
                        with evaluating(run.model):
                            val_loss = float(eval_fn(run.model))
                        run.whole = True
                        record = replace(record, val_loss=val_loss)
                yield record
                if stop := run.spread.agreed(signals.received):
                    run.save()
                    raise KeyboardInterrupt(stop)
                if run.save_every and run.step % run.save_every == 0:
                    run.save()
            run.save()
        except BaseException:  # GeneratorExit, too: the caller left the loop
            if run.whole and run.spread.alone and not sys.is_finalizing():
                run.save()
            raise


class _Run:
    """Everything that changes while training, and how it is saved."""

    def __init__(
        self,
        model: Any,
        batches: Batches | TaskBatches,
        optim: OptimConfig,
        steps: int,
        loss_fn: LossFn | None,
        accumulate: int,
        precision: Precision,
        compile: bool,
        seed: int,
        recompute: bool,
    ) -> None:
        self.given, self.model, self.spread = model, bare(model), Spread(model)
        self.spread.check_batches(batches)
        self.batches, self.optim, self.steps = batches, optim, steps
        self.accumulate, self.seed, self.recompute = accumulate, seed, recompute
        with recomputing(self.model, recompute):
            pass  # complains now and not at the first update
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(model, optim)
        self.device = self.parameters[0].device
        self.precision = choose_precision(precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type) if self.precision == "fp16" else None
        self.loss_fn = loss_fn or model_loss
        if compile:
            self.loss_fn = torch.compile(self.loss_fn)
        self.step, self.tokens, self.saved_step = 0, 0, -1
        self.whole = True  # False while an update or a save is under way
        self.optimizer.zero_grad(set_to_none=True)  # of what the caller did before
        for p in self.parameters:
            if p.dtype not in (torch.float32, torch.float64):
                raise ValueError(f"weights in {p.dtype} cannot be trained; load with torch.float32")

    def update(self) -> Step:
        """One update of the weights."""
        self.whole = False
        began = time.perf_counter()
        if not self.model.training:
            self.given.train()
        done = self.step if self.optim.unit == "updates" else self.tokens
        lr = lr_at(done, self.steps, self.optim)
        micro = [self._batch() for _ in range(self.accumulate)]
        loss, count, grads = self._gradient(micro)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        # The one moment in which the CPU waits for a GPU. It comes before the weights change, so
        # that a run that diverges still has the last good ones.
        loss, norm, count = self.spread.totals(loss, norm, count)
        self._check_scored(count)
        self._check_finite(loss, norm)
        if self.optim.clip is not None and self.optim.clip < norm < float("inf"):
            torch._foreach_mul_(grads, self.optim.clip / norm)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if self.scaler is None:
            self.optimizer.step()
        else:  # leaves the weights alone if a gradient overflowed, and then scales the loss less
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        n_tokens = self.spread.size * sum(batch[0].numel() for batch in micro)
        self.step += 1
        self.tokens += n_tokens
        self.whole = True
        speed = n_tokens / (time.perf_counter() - began)
        return Step(self.step, self.tokens, loss, lr, norm, speed)

    def _batch(self) -> tuple[Tensor, ...]:
        return tuple(t.to(self.device, non_blocking=True) for t in next(self.batches))

    def _gradient(self, micro: list[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Mean loss over all scored targets of the batches, their number, and its gradient.

        A batch weighs as much as it has targets; to weigh all the same would be wrong as soon as
        some targets are -100. How many there are in all is known after the last batch, so weights
        are counted in batches like the first until then.
        """
        total, count = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        first: Tensor | None = None
        with SeededRandom(self.seed, self.step, self.device, self.spread.rank):
            for batch in micro:
                with self.spread.exchanging(batch is micro[-1]):
                    with autocast(self.precision, self.device):
                        found = mean_and_count(self.loss_fn(self.given, batch), batch)
                        if self.spread.scored(found) is None:
                            continue
                        mean, n = found
                        first = self.spread.share(n) if first is None else first
                        loss = mean * (n / first)
                    (self.scaler.scale(loss) if self.scaler else loss).backward()
                total, count = total + loss.detach(), count + n
        if first is None:
            self._check_scored(0)
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in self.parameters if p.grad is not None]
        if len(micro) > 1:
            share = first / self.spread.share(count)
            torch._foreach_mul_(grads, share)
            total = total * share
        return total, count, grads

    def _check_scored(self, count: float) -> None:
        """Raise ValueError if the update at hand has nothing to learn from."""
        if count:
            return
        self.optimizer.zero_grad(set_to_none=True)
        raise ValueError(
            f"update {self.step + 1} has nothing to score: every target of its {self.accumulate} "
            "batch(es) is -100. Leave out texts that have nothing to learn from, or take larger "
            "batches (batch_size, accumulate)"
        )

    def _check_finite(self, loss: float, norm: float) -> None:
        """Raise `Diverged`; an overflow that loss scaling will answer is not meant."""
        finite = abs(loss) < float("inf")
        if finite and abs(norm) < float("inf"):
            return
        if finite and self.scaler is not None and self.scaler.get_scale() > 1:
            return
        self.optimizer.zero_grad(set_to_none=True)
        what = f"loss={loss}" if not finite else f"grad_norm={norm}"
        kept = f"The checkpoint of step {self.saved_step} is kept. " if self.saved_step > 0 else ""
        clip = "a clip" if self.optim.clip is None else f"clip < {self.optim.clip}"
        raise Diverged(
            f"{what} at step {self.step + 1}: training diverged. {kept}Try, in this order: "
            f"lr < {self.optim.lr}; warmup > {self.optim.warmup} {self.optim.unit}; {clip}; "
            + ("fp32 precision" if self.precision != "fp32" else "a look at the data")
        )

    # ------------------------------------------------------------------ saving and resuming

    def keep(
        self,
        folder: str | Path | None,
        tokenizer: Tokenizer | None,
        save_every: int,
        resume: bool,
        settings: dict[str, Any] | None,
    ) -> None:
        """Say where the run is saved, and go back to what is saved there if it is to resume."""
        if (save_every or resume) and folder is None:
            raise ValueError(f"save_every={save_every}, resume={resume} need a checkpoint_dir")
        self.folder = None if folder is None else Path(folder)
        self.tokenizer, self.save_every, self.more_settings = tokenizer, save_every, settings or {}
        if self.folder is not None:
            checkpoint.saved_as(self.model)  # complains now and not when hours have passed
            if resume and has_run(self.folder):
                self.load()

    def settings(self) -> dict[str, Any]:
        """What must be the same for a resumed run to be the same run."""
        optim = asdict(self.optim)
        # A schedule that never ends, or ends at a step of its own, allows a run to be prolonged,
        # unless its warm-up is a share of all updates.
        ends = self.optim.schedule != "constant" and self.optim.decay_steps is None
        if ends or 0 < self.optim.warmup < 1:
            optim["steps"] = self.steps
        data = self.batches.identity() if hasattr(self.batches, "identity") else {}
        return {
            **self.more_settings,
            "model": fields(self.model),
            "optim": optim,
            "data": data,
            "tokenizer": self.tokenizer and self.tokenizer.fingerprint,
            "accumulate": self.accumulate,
            "precision": self.precision,
            "seed": self.seed,
        }

    def save(self) -> None:
        """Write weights, tokenizer and training state, all together, unless already written."""
        if self.folder is None or self.saved_step == self.step:
            return
        state = {
            "step": self.step,
            "tokens": self.tokens,
            "settings": self.settings(),
            "batches": self.batches.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
        }
        self.whole = False
        with self.spread.deferred() as signals:
            self.spread.save(self.folder, self.model, self.tokenizer, self.optimizer, state)
            self.saved_step = self.step
        self.whole = True
        if signals.received and self.spread.alone:
            raise KeyboardInterrupt(signals.received)

    def load(self) -> None:
        """Go back to what `save` wrote."""
        assert self.folder is not None
        state = checkpoint.load_training_state(self.folder)
        old = with_defaults(state["settings"], self.model, self.optim)
        check_same(self.folder, state["step"], old, self.settings())
        if state["step"] > self.steps:
            raise ValueError(
                f"{self.folder} holds a run at step {state['step']}, past steps={self.steps}"
            )
        self.spread.load(self.folder, self.model, self.optimizer, state["optimizer"])
        self.batches.load_state_dict(state["batches"])
        if self.scaler:
            self.scaler.load_state_dict(state["scaler"])
        self.step = self.saved_step = state["step"]
        self.tokens = state["tokens"]
