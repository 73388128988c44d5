"""The training loop: it learns, it answers for its arguments, and it stops when it must."""

import math
import threading
from dataclasses import replace

import pytest
import torch
from short_runs import OPTIM, Listed, batches, new, run, same

from gptcore import checkpoint
from gptcore.lstm import LSTM
from gptcore.optim import OptimConfig, make_optimizer
from gptcore.train.loop import Diverged, choose_precision, fit

# ---------------------------------------------------------------- one update


def test_the_loss_falls_and_records_say_so():
    _, records = run(steps=60)
    steps, tokens, losses, lrs, *_ = zip(*records, strict=True)
    assert steps == tuple(range(1, 61))
    assert tokens == tuple(range(32, 1921, 32))  # 4 windows of 8
    assert losses[-1] < 0.5 * losses[0]
    assert lrs[:6] == pytest.approx([0, 2e-3, 4e-3, 6e-3, 8e-3, 1e-2])


@pytest.mark.parametrize("clip", [0.1, 100.0])
def test_an_update_is_that_of_a_loop_written_by_hand(clip):
    """Forward, backward, clip, AdamW: the same in plain PyTorch, with a clip that bites or not."""
    optim = replace(OPTIM, clip=clip)
    model, records = run(new(dropout=0.0), steps=8, optim=optim)
    plain = new(dropout=0.0)
    optimizer = make_optimizer(plain, optim)
    for (ids, targets), record in zip(batches(), records, strict=False):
        logits = plain(ids)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), clip)
        for group in optimizer.param_groups:
            group["lr"] = record[3]
        optimizer.step()
        assert record[2] == pytest.approx(loss.item(), abs=1e-5)
        assert record[4] == pytest.approx(norm.item(), rel=1e-4)
        assert (norm > clip) == (clip == 0.1)
    for p, q in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_accumulated_batches_equal_one_large_batch(masked):
    """Also where some targets are not scored: then a mean of means would be wrong."""
    torch.manual_seed(1)
    ids = torch.randint(0, 20, (6, 8))
    targets = torch.randint(0, 20, (6, 8))
    if masked:
        targets[:2, 2:] = -100
    optim = OptimConfig(lr=1e-2, warmup=0, eps=1.0)  # a small eps would show only signs
    large, small = new(dropout=0.0), new(dropout=0.0)
    (one,) = fit(large, Listed([(ids, targets)]), optim, 1)
    parts = list(zip(ids.split(2), targets.split(2), strict=True))
    (three,) = fit(small, Listed(parts), optim, 1, accumulate=3)
    assert three.loss == pytest.approx(one.loss, abs=1e-6)
    assert three.grad_norm == pytest.approx(one.grad_norm, abs=1e-6)
    assert three.tokens == one.tokens == 48
    for p, q in zip(large.parameters(), small.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


def test_another_loss_may_be_used():
    def second_half(model, batch):
        ids, targets = batch
        return model.loss(ids, targets.clone().index_fill_(1, torch.arange(4), -100))

    ids, targets = next(batches())
    (step,) = fit(new(dropout=0.0), batches(), OptimConfig(warmup=0), 1, loss_fn=second_half)
    expected = new(dropout=0.0).loss(ids, targets, reduction="none")[:, 4:].mean()
    assert step.loss == pytest.approx(expected.item(), abs=1e-5)


def test_training_mode_comes_back_after_the_caller_left_it():
    model, modes = new(), []

    def loss(model, batch):
        modes.append(model.training)
        return model.loss(*batch)

    for _ in fit(model, batches(), OptimConfig(warmup=0), 3, loss_fn=loss):
        model.eval()
    assert modes == [True, True, True]


def test_held_out_loss_is_measured_when_due_and_at_the_end():
    _, records = run(steps=8, eval_fn=lambda model: model.wpe.weight.sum().item(), eval_every=3)
    assert [r[0] for r in records if r[5] is not None] == [3, 6, 8]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_as_fp32_does(precision):
    _, full = run(steps=40)
    _, half = run(steps=40, precision=precision)
    assert half[0][2] == pytest.approx(full[0][2], abs=1e-2)
    assert half[0][2] != full[0][2]
    assert half[-1][2] < 0.6 * half[0][2]


def test_fp16_scales_its_loss_and_survives_an_overflow():
    """A loss of 1e4 overflows when scaled by 65,536: such updates are left out, the scale falls."""
    model = new(dropout=0.0)
    before = [p.clone() for p in model.parameters()]
    steps = fit(
        model,
        batches(),
        OptimConfig(lr=1e-2, warmup=0, clip=None),
        30,
        precision="fp16",
        loss_fn=lambda model, batch: model.loss(*batch) * 1e4,
    )
    first = next(steps)
    assert not math.isfinite(first.grad_norm)
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))
    rest = list(steps)
    assert math.isfinite(rest[-1].grad_norm)
    assert rest[-1].loss < 0.9 * first.loss


def test_compile_uses_torch_compile(monkeypatch):
    compiled = []

    def compile(function):
        compiled.append(function)
        return function

    monkeypatch.setattr(torch, "compile", compile)
    _, records = run(steps=6, compile=True)
    assert len(compiled) == 1
    assert records == run(steps=6)[1]


def test_precision_is_probed(monkeypatch):
    gpu = torch.device("cuda")
    for native, expected in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation=True, native=native: native or including_emulation,
        )
        assert choose_precision("auto", gpu) == expected
    assert choose_precision("auto", torch.device("cpu")) == "fp32"
    assert choose_precision("bf16", torch.device("cpu")) == "bf16"
    with pytest.raises(ValueError, match="precision='fp8' must be one of auto, fp32, bf16, fp16"):
        choose_precision("fp8", gpu)


# ---------------------------------------------------------------- when things go wrong


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_nan_stops_before_the_weights_change_and_says_what_to_try(tmp_path, where):
    calls = []

    def breaks(model, batch):
        calls.append(1)
        loss = model.loss(*batch)
        if len(calls) < 8:
            return loss
        # the root's slope at 0 is infinite, and infinity times 0 is NaN
        return loss * float("nan") if where == "loss" else loss + ((loss * 0) ** 0.5)

    model, seen = new(), []
    options = {"checkpoint_dir": tmp_path, "save_every": 5, "loss_fn": breaks}
    with pytest.raises(Diverged) as raised:
        for step in fit(model, batches(), OPTIM, 20, **options):
            seen.append(step.step)
            before = [p.clone() for p in model.parameters()]
    message = str(raised.value)
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert ("loss=nan at step 8" if where == "loss" else "grad_norm=nan at step 8") in message
    assert "The checkpoint of step 5 is kept" in message
    for hint in ("lr < 0.01", "warmup > 5", "clip < 1.0", "a look at the data"):
        assert hint in message
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))
    assert checkpoint.load_training_state(tmp_path)["step"] == 5


def test_nan_in_half_precision_proposes_fp32():
    nan = {"loss_fn": lambda model, batch: model.loss(*batch) * float("nan")}
    with pytest.raises(Diverged, match="fp32 precision"):
        run(precision="bf16", **nan)
    with pytest.raises(Diverged, match=r"; a clip; "):
        run(optim=replace(OPTIM, clip=None), **nan)


def test_training_in_a_thread_works():
    records = []
    thread = threading.Thread(target=lambda: records.extend(run(steps=6)[1]))
    thread.start()
    thread.join()
    assert len(records) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps=0 must be at least 1"),
        ({"accumulate": 0}, "accumulate=0 must be at least 1"),
        ({"save_every": -1, "checkpoint_dir": "x"}, "save_every=-1 must be at least 0"),
        ({"eval_every": -1, "eval_fn": len}, "eval_every=-1 must be at least 0"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"eval_every": 5}, "eval_every=5 needs an eval_fn"),
        ({"save_every": 5}, "save_every=5, resume=False need a checkpoint_dir"),
        ({"resume": True}, "save_every=0, resume=True need a checkpoint_dir"),
        ({"steps": 5}, "warmup=5 must be less than steps=5"),
        ({"precision": "fp64"}, "precision='fp64' must be one of"),
    ],
)
def test_bad_arguments_are_named_at_the_call(options, message):
    with pytest.raises(ValueError, match=message):
        fit(new(), batches(), OPTIM, **{"steps": 20, **options})


def test_half_precision_weights_are_refused():
    with pytest.raises(ValueError, match=r"weights in torch\.bfloat16 cannot be trained"):
        fit(new().to(torch.bfloat16), batches(), OPTIM, 20)


# ---------------------------------------------------------------- modes and memory


def test_a_run_that_computes_activations_again_is_the_same_run():
    model = new()
    expected, records = run()
    seen = []

    def eval_fn(model):
        seen.append(model.recompute)
        return 0.0

    assert run(model, recompute=True)[1] == records
    assert same(model, expected)
    run(steps=6, recompute=True, eval_fn=eval_fn, eval_every=6)
    assert seen == [True] and not model.recompute
    with pytest.raises(ValueError, match="recompute=True needs a GPT; a LSTM"):
        fit(LSTM(new().config), batches(), OPTIM, 20, recompute=True)


def test_held_out_loss_is_measured_without_dropout_and_each_part_keeps_its_mode():
    model, modes = new(), []

    def eval_fn(model):
        modes.append([m.training for m in model.modules()])
        model.train()  # what an evaluation leaves behind is its own affair
        return 0.0

    model.h[1].mlp.eval()
    for _ in fit(model, batches(), OPTIM, 6, eval_fn=eval_fn, eval_every=2):
        assert model.h[0].training and not model.h[1].mlp.training
    assert len(modes) == 3 and not any(map(any, modes))
