"""A run can be stopped anywhere, and what follows is the same run."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from short_runs import DATA, OPTIM, batches, curve, new, run, same

from gptcore import checkpoint
from gptcore.text.streams import Batches, Ramp
from gptcore.tokenizer import Tokenizer
from gptcore.train import loop
from gptcore.train.loop import fit, has_run


@pytest.fixture(scope="module")
def unbroken():
    return run()


@pytest.mark.parametrize("stop", [1, 7, 19])
def test_a_run_left_and_resumed_is_the_unbroken_run(tmp_path, unbroken, stop):
    """Dropout is on, the caller draws random numbers of its own, and the process has a past."""
    expected, curve_expected = unbroken
    first = []
    for step in fit(new(), batches(), OPTIM, 20, checkpoint_dir=tmp_path):
        first.append(curve(step))
        torch.rand(3)
        if step.step == stop:
            break
    torch.manual_seed(99)
    model, rest = run(new(seed=5), checkpoint_dir=tmp_path, resume=True)
    assert first + rest == curve_expected
    assert same(model, expected)


@pytest.mark.parametrize(("save_every", "kill"), [(5, 13), (4, 12), (6, 3)])
def test_a_kill_goes_back_to_the_last_save(tmp_path, unbroken, save_every, kill, monkeypatch):
    """What a kill leaves: nothing is saved after the last multiple of `save_every`."""
    expected, curve_expected = unbroken
    options = {"checkpoint_dir": tmp_path, "save_every": save_every}
    steps = fit(new(), batches(), OPTIM, 20, **options)
    for _ in range(kill):
        next(steps)
    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "save", lambda self: None)
        steps.close()
    saved = (kill - 1) // save_every * save_every  # the save of step k precedes step k + 1
    assert has_run(tmp_path) == (saved > 0)
    model, rest = run(new(seed=5), resume=True, **options) if saved else run(resume=True, **options)
    assert rest == curve_expected[saved:]
    assert same(model, expected)


def test_a_finished_run_resumes_to_nothing(tmp_path, unbroken):
    run(checkpoint_dir=tmp_path)
    model, records = run(new(seed=5), checkpoint_dir=tmp_path, resume=True)
    assert records == []
    assert same(model, unbroken[0])


def test_resume_begins_where_nothing_is_saved(tmp_path, unbroken):
    _, records = run(checkpoint_dir=tmp_path / "new", resume=True)
    assert records == unbroken[1]


def test_dropout_does_not_depend_on_the_past_nor_disturb_the_caller(unbroken):
    model = new()
    torch.manual_seed(123)
    expected = torch.rand(20)
    torch.manual_seed(123)
    drawn, records = [], []
    for step in fit(model, batches(), OPTIM, 20):
        records.append(curve(step))
        drawn.append(torch.rand(1))
    assert torch.equal(torch.cat(drawn), expected)
    assert records == unbroken[1]
    assert run(seed=1)[1] != records


def test_the_fused_optimizer_stays_fused_after_a_resume(tmp_path, monkeypatch):
    run(steps=6, checkpoint_dir=tmp_path)
    seen = []
    load = loop._Run.load
    monkeypatch.setattr(loop._Run, "load", lambda self: (load(self), seen.append(self))[0])
    run(steps=6, checkpoint_dir=tmp_path, resume=True)
    assert all(group["fused"] for group in seen[0].optimizer.param_groups)


def test_the_tokenizer_is_saved_with_the_model(tmp_path):
    tokenizer = Tokenizer.train("aa", 258)
    model = new(vocab_size=258)
    run(model, steps=6, checkpoint_dir=tmp_path, tokenizer=tokenizer)
    loaded, found = checkpoint.load(tmp_path)
    assert same(loaded, model)
    assert found == tokenizer


def changed(field):
    """Options of a run that differ from those of the first in one field, and how it is named."""
    return {
        "optim.lr": {"optim": replace(OPTIM, lr=2e-2)},
        "optim.betas": {"optim": replace(OPTIM, betas=(0.9, 0.95))},
        "optim.steps": {"steps": 30},
        "accumulate": {"accumulate": 2},
        "seed": {"seed": 1},
        "precision": {"precision": "bf16"},
        "corpus.name": {"settings": {"corpus": {"name": "other"}}},
    }[field]


@pytest.mark.parametrize(
    ("field", "old", "new_value"),
    [
        ("optim.lr", 0.01, 0.02),
        ("optim.betas", (0.9, 0.999), (0.9, 0.95)),
        ("optim.steps", 20, 30),
        ("accumulate", 1, 2),
        ("seed", 0, 1),
        ("precision", "fp32", "bf16"),
        ("corpus.name", "one", "other"),
    ],
)
def test_other_settings_are_refused(tmp_path, field, old, new_value):
    options = {"steps": 20, "checkpoint_dir": tmp_path, "settings": {"corpus": {"name": "one"}}}
    steps = fit(new(), batches(), OPTIM, **options)
    next(steps)
    steps.close()
    with pytest.raises(ValueError) as raised:
        run(**{**options, "resume": True, **changed(field)})
    assert f"at step 1 with {field}={old!r}, now {field}={new_value!r}" in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_another_model_tokenizer_or_corpus_is_refused(tmp_path):
    tokenizer = Tokenizer.train("aa", 258)
    options = {"steps": 6, "checkpoint_dir": tmp_path, "tokenizer": tokenizer}
    run(new(vocab_size=258), **options)
    options["resume"] = True
    with pytest.raises(ValueError, match=r"model\.n_layer=2, now model\.n_layer=1"):
        run(new(vocab_size=258, n_layer=1), **options)
    with pytest.raises(ValueError, match=r"tokenizer='\w+', now tokenizer='\w+'"):
        run(new(vocab_size=258), **{**options, "tokenizer": Tokenizer.train("bb", 258)})
    for data, field in (
        (Batches(DATA[:-1], 4, 8), "tokens_sha256"),
        (Batches(DATA, 5, 8), "batch_size"),
        (Batches(DATA, 4, 8, seed=1), "seed"),
    ):
        options.pop("steps", None)
        with pytest.raises(ValueError, match=rf"data\.{field}="):
            fit(new(vocab_size=258), data, OPTIM, 6, **options)


def test_a_run_without_an_end_in_its_schedule_can_be_prolonged(tmp_path):
    for optim in (replace(OPTIM, schedule="constant"), replace(OPTIM, decay_steps=15)):
        folder = tmp_path / optim.schedule
        run(steps=8, optim=optim, checkpoint_dir=folder)
        model, rest = run(steps=20, optim=optim, checkpoint_dir=folder, resume=True)
        expected, records = run(steps=20, optim=optim)
        assert rest == records[8:]
        assert same(model, expected)
        with pytest.raises(ValueError, match="at step 20, past steps=10"):
            run(steps=10, optim=optim, checkpoint_dir=folder, resume=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_update_saves_and_interrupts(tmp_path, unbroken, number):
    def interrupted(model, batch):
        if len(seen) == 8:  # in the ninth update
            os.kill(os.getpid(), number)
        return model.loss(*batch)

    seen, before = [], signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match=signal.Signals(number).name):
        for step in fit(new(), batches(), OPTIM, 20, checkpoint_dir=tmp_path, loss_fn=interrupted):
            seen.append(curve(step))
            assert signal.getsignal(number) is before
    assert len(seen) == 9
    model, rest = run(new(seed=5), checkpoint_dir=tmp_path, resume=True)
    assert seen + rest == unbroken[1]
    assert same(model, unbroken[0])


def test_an_error_of_the_caller_saves_too(tmp_path):
    with pytest.raises(ZeroDivisionError):
        for step in fit(new(), batches(), OPTIM, 20, checkpoint_dir=tmp_path):
            1 / (step.step - 6)
    assert checkpoint.load_training_state(tmp_path)["step"] == 6


def test_an_error_in_an_update_saves_nothing(tmp_path):
    def breaks(model, batch):
        raise MemoryError("out of memory")

    with pytest.raises(MemoryError):
        run(checkpoint_dir=tmp_path, loss_fn=breaks)
    assert not has_run(tmp_path)


def test_a_save_that_fails_leaves_the_one_before(tmp_path, monkeypatch):
    save, count = checkpoint.save, []

    def full(*args, **options):
        count.append(1)
        if len(count) == 2:
            raise OSError("no space left on device")
        return save(*args, **options)

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(OSError, match="no space left"):
        run(checkpoint_dir=tmp_path, save_every=5)
    assert len(count) == 2
    assert checkpoint.load_training_state(tmp_path)["step"] == 5


def test_the_state_on_disk_is_plain_json_and_tensors(tmp_path):
    run(steps=6, checkpoint_dir=tmp_path)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"config.json", "model.safetensors", "training.json", "training.safetensors"}
    assert json.loads((tmp_path / "training.json").read_text())["state"]["step"] == 6


def test_a_share_of_all_updates_belongs_to_their_number(tmp_path):
    """A constant rate may be prolonged, but not where that would move the end of the warm-up."""
    optim = replace(OPTIM, schedule="constant", warmup=0.5)
    run(steps=8, optim=optim, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=r"optim\.steps=8, now optim\.steps=20"):
        run(steps=20, optim=optim, checkpoint_dir=tmp_path, resume=True)


def test_a_growing_batch_and_a_schedule_in_tokens_resume(tmp_path):
    """Windows of 8 tokens, 2 at first, 6 after 160; the rate rises for 64 tokens, by hand."""
    optim = replace(OPTIM, unit="tokens", warmup=64, decay_steps=640, schedule="cosine10")

    def records(stop=None, **options):
        data = Batches(DATA, 6, 8, ramp=Ramp(2, 160))
        found = []
        for step in fit(new(), data, optim, 12, **options):
            found.append(curve(step))
            if step.step == stop:
                break
        return found

    unbroken = records()
    assert [r[1] for r in unbroken[:6]] == [16, 32, 48, 72, 96, 128]  # 2, 2, 2, 3, 3, 4 windows
    assert [round(r[3] / OPTIM.lr, 6) for r in unbroken[:4]] == [0, 0.25, 0.5, 0.75]
    first = records(5, checkpoint_dir=tmp_path)
    assert first + records(checkpoint_dir=tmp_path, resume=True) == unbroken
    with pytest.raises(
        ValueError, match=r"data\.ramp={'start': 2, 'tokens': 160}, now data\.ramp="
    ):
        fit(new(), Batches(DATA, 6, 8), optim, 12, checkpoint_dir=tmp_path, resume=True)
