"""Two and four real processes train what one trains: equal losses, shared checkpoints, one voice.

Everything runs on CPUs under gloo, in processes that are forked (`processes`); those of
tests/commands/test_train_together.py are started by torchrun, as a user starts them.
"""

import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from processes import together
from short_runs import DATA, OPTIM, curve

from gptcore import checkpoint
from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.optim import make_optimizer
from gptcore.scoring.likelihood import evaluate
from gptcore.text.streams import Batches
from gptcore.train.devices import check_optimizer, spread, whole
from gptcore.train.guards import SeededRandom
from gptcore.train.loop import Diverged, fit
from gptcore.train.processes import join, told_when_lost

# Of nine positions four processes hold three, three, three and none.
CONFIG = GPTConfig(vocab_size=20, n_ctx=9, n_layer=2, n_head=2, d_model=16, norm="pre", dropout=0.0)
TIGHT = replace(OPTIM, clip=0.5, weight_decay=0.1)
"""The gradients of these runs are longer than 0.5: every update is clipped."""
EVERY = 1e-5
"""How far a loss may be from that of one process: additions come in another order."""


def new(seed: int = 0, **changes) -> GPT:
    torch.manual_seed(seed)
    return GPT(replace(CONFIG, **changes))


def dealt(size: int = 8) -> Batches:
    """Rows for this process, of batches that all share."""
    world = join()
    return Batches(DATA, size, 9, part=(world.rank, world.size))


def held_out(model) -> float:
    return evaluate(model, DATA[:100]).nats_per_token


def trained(kind="ddp", steps=10, changes=None, optim=TIGHT, batches=None, stop=None, **options):
    """The records of a run of this process, and the weights it ends with (of the first process)."""
    model = new(**(changes or {}))
    given = spread(model, kind)
    records = []
    for step in fit(given, batches or dealt(), optim, steps, **options):
        records.append(curve(step))
        if step.step == stop:
            break
    full = whole(given)
    return records, full and {name: p.detach() for name, p in full.named_parameters()}


class Masked:
    """Batches in which a row has as many targets as its number allows: a mean of means is wrong."""

    def __init__(self) -> None:
        world = join()
        self.part = world.rank, world.size
        self.all = Batches(DATA, 8, 9)

    def __iter__(self):
        return self

    def __next__(self):
        ids, targets = next(self.all)
        targets = targets.clone()
        for row in range(8):
            targets[row, row + 1 :] = -100
        return ids[self.part[0] :: self.part[1]], targets[self.part[0] :: self.part[1]]


class Silent(Masked):
    """Batches without a target."""

    def __next__(self):
        ids, targets = super().__next__()
        return ids, torch.full_like(targets, -100)


def mean_loss(model, batch):
    return model.module.loss(*batch)


CASES = {
    "plain": {"eval_fn": held_out, "eval_every": 5},
    "clip is off": {"optim": replace(TIGHT, clip=None)},
    "accumulated": {"accumulate": 3},
    "recomputed": {"recompute": True, "accumulate": 2},
    "untied": {"changes": {"tied": False, "norm": "pre"}},
    "GPT-1": {"changes": {"norm": "post"}},
    "bf16": {"precision": "bf16"},
}


def all_cases(kind: str) -> dict:
    found = {name: trained(kind, **options) for name, options in CASES.items()}
    found["masked"] = trained(kind, batches=Masked(), accumulate=2)
    return found


@pytest.fixture(scope="module")
def alone():
    return all_cases("ddp")


def gap(found, expected) -> float:
    """The largest difference of two runs in loss, length of gradient and held-out loss."""
    assert [(r[0], r[1], r[3]) for r in found] == [(r[0], r[1], r[3]) for r in expected]
    numbers = [[x if x is not None else 0.0 for x in (r[2], r[4], r[5])] for r in found]
    others = [[x if x is not None else 0.0 for x in (r[2], r[4], r[5])] for r in expected]
    return float(np.abs(np.array(numbers) - np.array(others)).max())


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
@pytest.mark.parametrize("n", [2, 4])
def test_losses_are_those_of_one_process(alone, kind, n):
    """Loss, gradient and weights; the clip, the decay, masks, accumulation and the tied table."""
    found = together(n, all_cases, kind)
    for name, (expected, weights) in alone.items():
        for records, _ in (process[name] for process in found):
            assert records == found[0][name][0]  # all processes say the same
            # bf16 rounds the sums of each process on their own
            assert gap(records, expected) < (1e-2 if name == "bf16" else EVERY), name
        if name != "bf16":
            for key, p in found[0][name][1].items():
                torch.testing.assert_close(p, weights[key], atol=EVERY, rtol=0)
    assert all(r[4] > 0.5 for r in alone["plain"][0])  # the clip is at work


# ------------------------------------------------------------------ checkpoints


def kept(kind, folder, stop=None, **options):
    """A run of ten updates that saves every two of them, up to `stop`, resumed if it was begun."""
    options = {"checkpoint_dir": folder, "save_every": 2, "resume": True, **options}
    return trained(kind, stop=stop, **options)


@pytest.mark.parametrize(
    "road",
    [
        [(2, "fsdp"), (1, "ddp"), (2, "fsdp")],
        [(4, "fsdp"), (2, "fsdp"), (1, "ddp")],
        [(1, "ddp"), (2, "ddp"), (2, "fsdp")],
    ],
)
def test_any_number_of_processes_goes_on_with_a_run(tmp_path, alone, road):
    """Updates 1 to 4, 5 to 8, 9 and 10: in all, the run of one process; and its folder at the end.

    The break in the fifth update costs nothing: the save after the fourth stands.
    """
    records = []
    for (n, kind), stop in zip(road, (5, 9, None), strict=True):
        options = {"stop": stop}
        if n == 1:  # one alone would save where it is left
            part, weights = part_of_one(tmp_path, stop)
        else:
            part, weights = together(n, kept, kind, tmp_path, stop)[0]
        assert part[0][0] == len(records) + 1, options
        records += part[: (stop or 11) - 1 - len(records)]
    expected = [(*r[:5], None) for r in alone["plain"][0]]
    assert gap([(*r[:5], None) for r in records], expected) < EVERY
    loaded, _ = checkpoint.load(tmp_path)
    for name, p in loaded.named_parameters():
        torch.testing.assert_close(p, weights[name].float(), atol=0, rtol=0)
        torch.testing.assert_close(p, alone["plain"][1][name], atol=EVERY, rtol=0)
    shards = list(tmp_path.glob("shards/*"))
    assert [p.name for p in shards] == ([] if road[-1][0] == 1 else ["000010"])


def part_of_one(folder, stop):
    """One process alone, up to the update before `stop`."""
    model, records = new(), []
    for step in fit(model, Batches(DATA, 8, 9), TIGHT, 10, checkpoint_dir=folder, resume=True):
        records.append(curve(step))
        if stop and step.step == stop - 1:
            break
    return records, dict(model.named_parameters())


def exactly_resumed(folder):
    broken = {}
    for kind in ("ddp", "fsdp"):
        first, _ = kept(kind, folder / kind, 5, changes={"dropout": 0.1})
        rest, weights = kept(kind, folder / kind, changes={"dropout": 0.1})
        broken[kind] = first[:4] + rest, weights, trained(kind, changes={"dropout": 0.1})
    return broken


def test_a_resumed_run_is_the_unbroken_run(tmp_path):
    """To the last bit, with dropout, where the number of processes stays."""
    for process in together(2, exactly_resumed, tmp_path):
        for records, weights, (expected, others) in process.values():
            assert records == expected
            assert weights is None or all(torch.equal(p, others[k]) for k, p in weights.items())


def test_shards_are_no_pickles_and_damage_is_told(tmp_path, caplog):
    together(2, kept, "fsdp", tmp_path)
    files = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    assert {p.suffix for p in files} == {".json", ".safetensors"}
    shards = [p for p in files if p.parent.name == "000010"]
    contents = [p.read_bytes() for p in shards]
    for left in (contents[:1], contents[1:], contents[:1] * 2, contents[1:] * 2):
        for p in shards:
            p.unlink()
        for p, content in zip(shards, left, strict=False):
            p.write_bytes(content)
        with pytest.raises(ValueError, match=r"shards.000010 is damaged"):
            part_of_one(tmp_path, None)
        for p, content in zip(shards, contents, strict=True):
            p.write_bytes(content)
    assert part_of_one(tmp_path, None)[0] == []  # all there: the run is at its end
    shards[0].write_bytes(contents[0][:100])
    with pytest.raises(ValueError, match=r"shards.000010 is damaged: .*header"):
        part_of_one(tmp_path, None)
    assert "Global metadata is not found" not in caplog.text  # PyTorch's own, with a traceback
    shards[0].write_bytes(contents[0])
    state = tmp_path / "training.json"
    text = state.read_text()
    for name in ("7", "null", '"../000010"'):
        state.write_text(text.replace('"shards/000010"', name))
        with pytest.raises(ValueError, match=r"shards=.* names no shards"):
            part_of_one(tmp_path, None)
    state.write_text(text)
    shard = next(p for p in files if p.parent.name == "000010")
    shard.write_bytes(shard.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"shards.000010 is damaged"):
        part_of_one(tmp_path, None)
    for p in files:
        if p.parent.name == "000010":
            p.unlink()
    shard.parent.rmdir()
    with pytest.raises(FileNotFoundError, match=r"shards.000010 is absent"):
        part_of_one(tmp_path, None)


# ------------------------------------------------------------------ what is refused


def said(function, *args, **options) -> str:
    """The message of the ValueError that a call raises."""
    with pytest.raises(ValueError) as raised:
        function(*args, **options)
    return str(raised.value)


def moved(before: bool) -> float:
    """How far a sharded model's weights move in an update, its optimizer made before or after."""
    model = new()
    early = make_optimizer(model, OPTIM)
    spread(model, "fsdp")
    optimizer = early if before else make_optimizer(model, OPTIM)
    was = model.wte.weight.full_tensor().clone()
    ids, targets = next(dealt())
    model.loss(ids, targets).backward()
    optimizer.step()
    return (model.wte.weight.full_tensor() - was).abs().max().item()


def refused():
    told = {"trap": moved(before=True), "right order": moved(before=False)}
    model = new()
    optimizer = make_optimizer(model, OPTIM)
    steps = fit(spread(new(), "ddp"), dealt(), OPTIM, 10)
    assert next(steps).step == 1
    steps.close()
    spread(model, "fsdp")
    told["sharded later"] = said(check_optimizer, model, optimizer)
    told["alone"] = said(fit, new(), dealt(), OPTIM, 10)
    told["undealt"] = said(fit, spread(new(), "fsdp"), Batches(DATA, 8, 9), OPTIM, 10)
    told["uneven"] = said(dealt, 7)
    told["kind"] = said(spread, new(), "tp")
    told["no GPT"] = said(spread, torch.nn.Linear(2, 2), "fsdp")
    told["nothing"] = said(next, fit(spread(new()), Silent(), OPTIM, 10, loss_fn=mean_loss))
    told["one GPU"] = said(join().device, "cuda:1")
    return told


def test_an_optimizer_made_before_sharding_is_refused():
    """The trap, seen: it trains nothing and says nothing. And whatever else cannot be meant."""
    for rank, told in enumerate(together(2, refused)):
        assert told["trap"] == 0
        assert told["right order"] > 1e-3
        assert told["sharded later"].startswith(
            "the optimizer holds 0 of the model's 28 parameters"
        )
        assert (
            "wte.weight is not among them: it was made before the model was"
            in (told["sharded later"])
        )
        assert "2 processes, and each would train a wte.weight of its own" in told["alone"]
        assert f"part=(0, 1) of the batches must be ({rank}, 2)" in told["undealt"] or rank == 0
        assert "batch_size=7 must be a multiple of 2" in told["uneven"]
        assert "8 is the next" in told["uneven"]
        assert told["kind"] == "parallel='tp' must be one of ddp, fsdp"
        assert told["no GPT"] == "parallel='fsdp' needs a GPT; a Linear has no blocks"
        assert told["one GPU"].startswith(
            "device='cuda:1' must be auto, cpu or cuda for 2 processes"
        )


def test_a_model_sharded_after_fit_was_called_is_refused():
    (told, _) = together(2, sharded_too_late)
    assert "0 of the model's 28 parameters" in told


def sharded_too_late():
    model = spread(new(), "ddp").module  # a model that all share...
    steps = fit(torch.nn.parallel.DistributedDataParallel(model), dealt(), OPTIM, 10)
    spread(model, "fsdp")  # ...and that gets other parameters behind the optimizer's back
    return said(next, steps)


# ------------------------------------------------------------------ all stop together


def stopping(folder, way: str):
    """A run that ends early in the second process: by a loss that is no number, or by a signal."""
    world = join()

    def loss_fn(model, batch):
        if world.rank == 1 and len(records) == 5:
            if way == "nan":
                return torch.tensor(math.nan, requires_grad=True) * model(batch[0]).sum(), 1
            os.kill(os.getpid(), signal.SIGTERM)
        logits = model(batch[0]).flatten(0, 1)
        total = torch.nn.functional.cross_entropy(logits, batch[1].flatten(), reduction="sum")
        return total, batch[1].numel()

    records, given = [], spread(new(), "fsdp")
    options = {"checkpoint_dir": folder, "save_every": 2, "loss_fn": loss_fn}
    try:
        for step in fit(given, dealt(), TIGHT, 10, **options):
            records.append(curve(step))
    except (Diverged, KeyboardInterrupt) as error:
        return len(records), str(error), checkpoint.load_training_state(folder)["step"]
    return None


@pytest.mark.parametrize(
    ("way", "ended", "saved"),
    [("nan", (5, "loss=nan at step 6: training diverged. The checkpoint of step 4 is kept."), 4),
     ("signal", (6, "SIGTERM"), 6)],
)  # fmt: skip
def test_what_stops_one_process_stops_all(tmp_path, way, ended, saved):
    """After the same update, with the same message, and what was saved is whole."""
    for done, told, step in together(2, stopping, tmp_path, way):
        assert (done, step) == (ended[0], saved)
        assert told.startswith(ended[1])
    assert checkpoint.load(tmp_path)[0].n_params() == new().n_params()


def losing(folder):
    """A run whose second process dies in the sixth update."""
    records = []
    try:
        with told_when_lost(lambda: checkpoint.load_training_state(folder)["step"]):
            steps = fit(spread(new()), dealt(), TIGHT, 10, checkpoint_dir=folder, save_every=2)
            for step in steps:
                records.append(step.step)
                if len(records) == 5 and dist.get_rank() == 1:
                    os._exit(9)
    except ConnectionError as error:
        return records, str(error)
    return None


def test_a_lost_process_is_told(tmp_path):
    (records, told), lost = together(2, losing, tmp_path)
    assert records == [1, 2, 3, 4, 5] and lost is None
    assert told.startswith("one of the 2 processes is gone: the checkpoint of update 4 stands; ")


def test_each_process_draws_its_own_dropout():
    def drawn(process):
        with SeededRandom(3, 7, torch.device("cpu"), process):
            return torch.rand(4)

    assert torch.equal(drawn(0), drawn(0))
    assert not torch.equal(drawn(0), drawn(1))
    with SeededRandom(3, 7, torch.device("cpu")):
        assert torch.equal(torch.rand(4), drawn(0))  # of one process, what it always was
