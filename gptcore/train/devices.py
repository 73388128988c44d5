"""One run on several devices: a process for each, started by torchrun.

    torchrun --standalone --nproc-per-node 2 -m gptcore train --out runs/many --parallel fsdp

Process r of n takes rows r::n of every batch, so all of them together learn from what one alone
would learn from, and the loss of each update is that of one process but for rounding. What a
process holds is chosen by one word: "ddp", the whole network, or "fsdp", an n-th of its weights,
gradients and averages, each block gathered when it is computed. With dropout every process draws
its own, so then losses agree in distribution only.

A checkpoint is the folder that one process writes, and beside it `shards/UPDATE`, what each process
holds, as safetensors: any number of processes, one too, goes on from it. What one process has
saved, several go on from.

    world = join()                        # alone, where torchrun has not started several
    model = spread(GPT(config), "fsdp")   # before there is an optimizer
    batches = Batches(stream, 16, config.n_ctx, part=(world.rank, world.size))
    for step in fit(model, batches, optim, steps, checkpoint_dir=out, save_every=100): ...

The processes agree before they stop: a signal that one of them gets ends all after the same update,
saved. What ends a single one ends the others where they wait for it, and what was saved last
stands; `torchrun --max-restarts` goes on from there by itself.

Source: PyTorch's documentation of `DistributedDataParallel`, `fully_shard` (FSDP2),
`torch.distributed.checkpoint` and torchrun; GPT-3 §2.3 ("we use a mixture of model parallelism
within each matrix multiply and model parallelism across the layers of the network", which is more
than is done here); Rajbhandari et al. 2020, "ZeRO" (a share of the state in each process).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gptcore import checkpoint
from gptcore.checkpoint import shards
from gptcore.model import GPT
from gptcore.modes import bare
from gptcore.train.guards import Deferred
from gptcore.train.processes import join

Parallel = Literal["ddp", "fsdp"]
"""What each of several processes holds: the whole network, or a share of it."""
SIGNALS = ("SIGINT", "SIGTERM")


def spread(model: GPT, parallel: Parallel = "ddp") -> Any:
    """A model for all processes of the run, on the device on which it is; alone, the model itself.

    Every process must have made it with the same weights. The optimizer comes afterwards: sharding
    gives the model other parameters, and one made before would go on moving the old ones.

    Args:
        model: with "fsdp" changed in place.
        parallel: "ddp", whole in each process, or "fsdp", a share in each.

    Returns:
        What `fit` takes.

    Raises:
        ValueError: no such kind, or with "fsdp" the model is no GPT.
    """
    if parallel not in get_args(Parallel):
        raise ValueError(f"parallel={parallel!r} must be one of {', '.join(get_args(Parallel))}")
    world = join()
    if world.size == 1:
        return model
    device = next(model.parameters()).device
    if parallel == "ddp":
        return DistributedDataParallel(model, device_ids=[device] if device.index else None)
    if not isinstance(model, GPT):
        raise ValueError(f"parallel='fsdp' needs a GPT; a {type(model).__name__} has no blocks")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (world.size,))
    for part in (*model.h, model):
        fully_shard(part, mesh=mesh)
    register_fsdp_forward_method(model, "loss")  # training and scoring both go through it
    model.loss = _outside_inference(model.loss)  # type: ignore[method-assign]
    return model


def _outside_inference(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The loss without a gradient where `inference_mode` is on: weights gathered in that mode could
    not be trained any more."""

    def measured(*args: Any, **options: Any) -> Tensor:
        if not torch.is_inference_mode_enabled():
            return loss(*args, **options)
        with torch.inference_mode(False), torch.no_grad():
            return loss(*args, **options)

    return measured


def whole(model: Any) -> Any:
    """The model as one process alone would have it: in the first process; None in the others.

    All of them must call it. A share of a network comes together on the CPU.
    """
    inner = bare(model)
    if not _is_sharded(inner):
        return inner if not dist.is_initialized() or dist.get_rank() == 0 else None
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights = get_model_state_dict(inner, options=options)
    if dist.get_rank() != 0:
        return None
    with torch.device("meta"):
        model = GPT(inner.config)
    model.load_state_dict(weights, assign=True)
    return model


def check_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Refuse an optimizer that moves tensors which are not, or no longer, those of the model.

    `fully_shard` puts new parameters in the place of the old. An optimizer made before goes on
    with the old ones, whose gradients stay None: it trains nothing and says nothing.

    Raises:
        ValueError: a parameter of the model is in no group of the optimizer.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    missed = [name for name, p in trained if id(p) not in held]
    if missed:
        raise ValueError(
            f"the optimizer holds {len(trained) - len(missed)} of the model's {len(trained)} "
            f"parameters, and {missed[0]} is not among them: it was made before the model was "
            "sharded, or before its parameters changed, and would train nothing; make it afterwards"
        )


def _is_sharded(model: Any) -> bool:
    if not (dist.is_available() and dist.is_initialized()):
        return False
    from torch.distributed.fsdp import FSDPModule

    return isinstance(model, FSDPModule)


class Spread:
    """What the loop needs of several processes; with one alone, everything is as it was.

    Args:
        model: what `fit` was given.

    Raises:
        ValueError: there are several processes and the model, or a part of it, is this one's alone.
    """

    def __init__(self, model: nn.Module) -> None:
        self.rank, self.size, self.alone = 0, 1, True
        self.ddp: DistributedDataParallel | None = None
        self.fsdp: Any = None
        if not (dist.is_available() and dist.is_initialized()):
            return
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        wrapped = [m for m in model.modules() if isinstance(m, DistributedDataParallel)]
        self.ddp = wrapped[0] if wrapped else None
        self.fsdp = bare(model) if _is_sharded(bare(model)) else None
        self.alone = self.size == 1 and self.fsdp is None
        if not self.alone:
            self._check_parameters(model)
            self.held, self.stop = Deferred(patient=True), None

    def _check_parameters(self, model: nn.Module) -> None:
        from torch.distributed.tensor import DTensor

        shared = {id(p) for p in self.ddp.parameters()} if self.ddp else set()
        for name, p in model.named_parameters():
            if p.requires_grad and id(p) not in shared and not isinstance(p, DTensor):
                raise ValueError(
                    f"{self.size} processes, and each would train a {name} of its own: give fit "
                    "what devices.spread(model) returns"
                )

    def check_batches(self, batches: Any) -> None:
        """Refuse batches of which each process would read all, or none would read some."""
        part = getattr(batches, "part", None if self.size > 1 else (0, 1))
        if part != (self.rank, self.size):
            raise ValueError(
                f"part={part} of the batches must be {(self.rank, self.size)}, for process "
                f"{self.rank} of {self.size}: Batches(..., part=({self.rank}, {self.size}))"
            )

    def exchanging(self, now: bool) -> AbstractContextManager[object]:
        """Around a batch: gradients are added up over the processes with the last of an update."""
        if self.fsdp is not None:
            self.fsdp.set_requires_gradient_sync(now)
        elif self.ddp is not None and not now:
            return self.ddp.no_sync()
        return nullcontext()

    def scored(self, found: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor] | None:
        """A loss and its count. A process that has none would leave the others waiting for it.

        Raises:
            ValueError: there is none, and there are several processes.
        """
        if found is None and not self.alone:
            raise ValueError(
                f"process {self.rank} of {self.size} has nothing to score in a batch, and a mean "
                "of nothing is no number: for several processes loss_fn must return (sum, count)"
            )
        return found

    def share(self, count: Tensor) -> Tensor:
        """Of a count, what a process has on average; at least 1 in all."""
        if self.alone:
            return count.clamp(min=1)
        count = count.clone()
        dist.all_reduce(count)
        return count.clamp(min=1) / self.size

    def totals(self, loss: Tensor, norm: Tensor, count: Tensor) -> list[float]:
        """Mean loss, length of the whole gradient and sum of counts, the same in all processes.

        The one moment in which all of them meet in any case, so they also tell each other here
        which signals have come.
        """
        if self.alone:
            return torch.stack([loss.float(), norm.float(), count.float()]).tolist()
        if self.fsdp is not None:
            norm = norm.full_tensor()  # type: ignore[operator]
        came = [loss.new_tensor(float(self.held.received == name)) for name in SIGNALS]
        found = torch.stack([loss.float(), norm.float(), count.float(), *came])
        dist.all_reduce(found)
        loss_sum, norm_sum, total, *came = found.tolist()
        self.stop = next((name for name, n in zip(SIGNALS, came, strict=True) if n), None)
        return [loss_sum / self.size, norm_sum / self.size, total]

    def deferred(self) -> AbstractContextManager[Deferred]:
        """Notes signals around an update; of several processes, all the time: see `patience`."""
        return Deferred() if self.alone else nullcontext(self.held)

    def patience(self) -> AbstractContextManager[object]:
        """Around the run. None of several processes may leave where another one waits for it."""
        return nullcontext() if self.alone else self.held

    def agreed(self, signal: str | None) -> str | None:
        """The signal that this process has received, or, so that all stop together, any has."""
        return signal if self.alone else self.stop

    def save(
        self, folder: Path, model: Any, tokenizer: Any, optimizer: torch.optim.Optimizer, state: Any
    ) -> None:
        """Write model and training state; of several processes each its share, the first the rest.

        All change together: what was saved before counts until the first process has written the
        name of the new shards.
        """
        if self.alone:
            kept: Any = optimizer.state_dict()
        else:
            kept = shards.write(folder, state["step"], model, optimizer)
            model = whole(model)
            state = {**state, "job": join().job}
        if self.rank == 0:
            checkpoint.save(folder, model, tokenizer, training={**state, "optimizer": kept})
            shards.forget(folder, kept)
        if not self.alone:
            dist.barrier()  # when `save` is done anywhere, the checkpoint stands

    def load(self, folder: Path, model: Any, optimizer: torch.optim.Optimizer, kept: Any) -> None:
        """Go back to what any number of processes has saved."""
        if shards.are(kept):
            shards.read(folder, kept, model, optimizer)
        elif self.fsdp is None:
            checkpoint.restore(folder, model)
            optimizer.load_state_dict(kept)
        else:
            shards.cut(checkpoint.load(folder)[0], kept, model, optimizer)
