"""Supervised fine-tuning: what gets a gradient, what is learned, which checkpoint is kept."""

import json
import warnings
from itertools import islice

import pytest
import torch
from small_dialogues import SHOWN, saved_gpt, small_gpt
from small_models import same_weights
from small_tasks import LETTERS
from torch.nn import functional as F

import gptcore
from gptcore.labelled.dialogues import Demonstration, Told
from gptcore.text.dialogue_rows import lessons, of_lessons
from gptcore.tokenizer import Tokenizer
from gptcore.train.loop import fit
from gptcore.train.sft import Sft, loss_on, sft
from gptcore.train.stage_recipes import StageRecipe
from gptcore.train.stages import StageConfig

FAST = StageRecipe(epochs=2, batch_size=4, lr=1e-2, evals=2, dropout=0.0)
STOP = 256


def graded(mask_prompt=True):
    """The gradient at every logit of a row: (T, V)."""
    model = small_gpt()
    row = lessons([Demonstration("ab", "cd")], LETTERS, 24, mask_prompt=mask_prompt).rows
    ids, targets = of_lessons(row)
    logits = model(ids).detach().requires_grad_()
    F.cross_entropy(logits[0], targets[0]).backward()
    found = model.loss(ids, targets)
    torch.testing.assert_close(found, F.cross_entropy(logits[0], targets[0]), atol=1e-5, rtol=0)
    return logits.grad[0]


def test_the_prompt_gets_no_gradient_and_the_stop_token_does():
    """ab, an empty line, cd: of 6 positions the last 3 say the response."""
    grad = graded()
    assert not grad[:3].any() and grad[3:].abs().sum(1).min() > 1e-3
    assert grad[5, STOP] < -1e-2  # the last one is told to stop
    assert graded(mask_prompt=False)[:3].abs().sum(1).min() > 1e-3


def test_the_network_learns_nothing_of_what_was_asked():
    """Rows of the output matrix that only prompts have as targets move by no target of theirs."""
    model = small_gpt(tied=False)
    ids, targets = of_lessons(lessons([Demonstration("ab", "cd")], LETTERS, 24).rows)
    model.summed_loss(ids, targets)[0].backward()
    asked, said = LETTERS.encode("b")[0], LETTERS.encode("c")[0]
    state = model.hidden(ids)[0, 3]
    pull = model.lm_head.weight.grad @ state
    assert pull[said] < 0 < pull[asked]  # towards what is said, away from all else


def test_a_batch_with_nothing_to_score_is_an_error():
    taught = Sft(small_gpt(), LETTERS, SHOWN, FAST)
    nothing = [(torch.ones(1, 3, dtype=torch.long), torch.full((1, 3), -100))]

    class Batches:
        def __iter__(self):
            return self

        def __next__(self):
            return nothing[0]

    with pytest.raises(ValueError, match="update 1 has nothing to score"):
        next(fit(taught.model, Batches(), FAST.optim(), 1))


def test_it_learns_to_respond_and_leaves_the_base_alone():
    gpt = small_gpt()
    taught = Sft(gpt, LETTERS, SHOWN, StageRecipe(epochs=30, batch_size=8, lr=1e-2, dropout=0.0))
    before = taught.judge()["loss"]
    losses = [step.loss for step in taught.fit()]
    assert taught.judge()["loss"] < before - 1 and losses[-1] < losses[0] - 1
    assert same_weights(gpt, small_gpt())
    said = taught.respond(taught.prompts, 0.01)
    assert all(text.startswith("xy") and len(text) < 6 for text in said)  # and it stops


def test_the_recipe_is_instructgpts():
    taught = Sft(small_gpt(), LETTERS, SHOWN)
    assert taught.recipe.dropout == 0.2 == taught.model.config.dropout
    optim = taught.recipe.optim()
    assert optim.schedule == "cosine10" and optim.warmup == 0 and optim.betas == (0.9, 0.95)
    large = StageRecipe().suited("sft", gptcore.PRESETS["gpt3-xl"])
    assert (large.lr, large.batch_size, large.epochs) == (9.65e-6, 32, 16)
    assert StageRecipe().suited("sft", gptcore.PRESETS["gpt3-175b"]).lr == 5.03e-6
    assert StageRecipe().suited("reward", gptcore.PRESETS["gpt3-6.7b"]).lr == 9e-6


def test_the_loss_of_several_rows_is_that_of_each_alone():
    model = small_gpt(dropout=0.5).train()
    items = [Demonstration("a", "b" * n) for n in (1, 5, 9)]
    rows = lessons(items, LETTERS, 24).rows
    model.eval()
    total = sum(model.loss(*of_lessons([row]), "sum").item() for row in rows)
    model.train()
    assert loss_on(model, rows, 2) == pytest.approx(total / 18, abs=1e-4)  # 2 + 6 + 10 tokens
    assert model.training


def test_a_tokenizer_without_a_stop_token_gets_one_that_is_learned():
    plain = Tokenizer.train("", 256, specials=())
    taught = Sft(small_gpt(vocab_size=256), plain, SHOWN, FAST)
    assert taught.model.config.vocab_size == 257 and taught.tokenizer.eot == STOP
    assert all(row.targets[-1] == STOP for row in taught.train.rows)


def test_nothing_left_to_learn():
    long = Told("mine", (Demonstration("a" * 40, "b"),), SHOWN.valid)
    with pytest.raises(ValueError, match="mine: 0 demonstrations are left.* too long"):
        Sft(small_gpt(), LETTERS, long, FAST)
    with pytest.raises(ValueError, match="no tokenizer"):
        Sft(small_gpt(), None, SHOWN, FAST)


# ---------------------------------------------------------------- a run in a folder


def run(folder, model, **options):
    config = StageConfig(out=folder, model=model, recipe=FAST, resume=options.pop("resume", False))
    return sft(config, SHOWN, **options)


def test_a_run_leaves_the_best_network_its_record_and_samples(tmp_path):
    model, shown = saved_gpt(tmp_path / "base"), []
    steps = list(run(tmp_path / "out", model, seen=shown.extend))
    assert len(steps) == 8 and [s.step for s in steps if s.val_loss is not None] == [4, 8]
    best, tokenizer = gptcore.load(tmp_path / "out" / "best")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    held = lessons(SHOWN.valid, tokenizer, 24).rows
    assert loss_on(best, held) == pytest.approx(record["valid"]["loss"], abs=1e-4)
    lowest = min(s.val_loss for s in steps if s.val_loss)
    assert record["valid"]["loss"] == pytest.approx(lowest, abs=1e-3)
    rows = [json.loads(line) for line in (tmp_path / "out/samples.jsonl").read_text().splitlines()]
    assert rows == shown and {row["step"] for row in rows} == {4, 8}
    with pytest.raises(FileExistsError, match="holds a supervised fine-tuning run, at update 8"):
        run(tmp_path / "out", model)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    model = saved_gpt(tmp_path / "base")
    whole = [step.loss for step in run(tmp_path / "whole", model)]
    steps = run(tmp_path / "out", model)
    first = [step.loss for step in islice(steps, 5)]
    steps.close()
    rest = [step.loss for step in run(tmp_path / "out", model, resume=True)]
    assert first + rest == whole
    with pytest.raises(ValueError, match="mask_prompt"):
        run(tmp_path / "out", model, resume=True, mask_prompt=False)


def test_a_reward_may_choose_the_checkpoint(tmp_path):
    """One that likes what is sampled first best: the first checkpoint stays, whatever its loss."""
    calls = []

    def choose(prompts, responses):
        calls.append((prompts, responses))
        return [-float(len(calls))] * len(prompts)

    list(run(tmp_path / "out", saved_gpt(tmp_path / "base"), choose=choose))
    found = json.loads((tmp_path / "out" / "best.json").read_text())
    held = [d.prompt + "\n\n" for d in SHOWN.valid]
    assert found["score"] == -1 and calls[0][0] == held and len(calls) == 3


def test_what_is_cut_is_told(tmp_path):
    data = Told("mine", (*SHOWN.train, Demonstration("a", "b" * 40)), SHOWN.valid)
    config = StageConfig(out=tmp_path / "out", model=saved_gpt(tmp_path / "base"), recipe=FAST)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sft(config, data).close()
    assert "train: 1 responses are cut to fit the context" in [str(w.message) for w in told]
