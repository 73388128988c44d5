"""Fine-tuning in memory: the recipe, what is trained, what is learned, what is refused."""

import math
from dataclasses import replace

import pytest
import torch
from small_models import make, same_weights
from small_tasks import FORMS, N_CTX, ROWS, by_letter, letters_gpt, tuning, weights

from gptcore import checkpoint
from gptcore.checkpoint import shipped
from gptcore.config import PRESETS, GPTConfig
from gptcore.labelled import Labelled, labelled
from gptcore.lstm import LSTM
from gptcore.model import GPT
from gptcore.text.inputs import with_marks
from gptcore.tokenizer import Tokenizer
from gptcore.train.finetune import FinetuneConfig, Tuning, label_loss
from gptcore.train.recipes import SUITED, RecipeConfig


def three_parts(form, rows, labels=(), valid=None):
    return Labelled("three", form, labels, tuple(rows), tuple(valid or rows), tuple(rows))


# ---------------------------------------------------------------- the recipe


def test_the_defaults_are_gpt1_s():
    """FACTS 1.4: 3 epochs, batches of 32, 6.25e-5 after 0.2 % of the updates, then a line to 0."""
    recipe = RecipeConfig()
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.warmup) == (3, 32, 6.25e-5, 0.002)
    assert (recipe.aux, recipe.dropout, recipe.train, recipe.place) == (0.5, 0.1, "all", "extract")
    optim = recipe.optim(3000)
    assert (optim.lr, optim.warmup, optim.schedule) == (6.25e-5, 6, "linear")
    assert (optim.weight_decay, optim.clip) == (0.01, 1.0)
    assert (optim.betas, optim.eps) == ((0.9, 0.999), 1e-8)
    assert recipe.steps(600) == 57 and recipe.steps(32) == 3 and recipe.steps(1) == 1
    assert (recipe.part, recipe.n_blocks, recipe.scratch) == (None, None, False)


def test_the_learning_rate_rises_and_falls_in_lines():
    """12 updates, a tenth of which is 1: from 0 to the peak, then 1/11 less each time."""
    lrs = [step.lr for step in tuning().fit()]
    assert lrs == pytest.approx([0, *(2e-2 * (1 - i / 11) for i in range(11))], abs=1e-12)


def test_rates_and_weights_reach_the_network():
    made = tuning(dropout=0.3, aux=0.25, place="mean", part=5)
    assert made.model.config.dropout == made.model.head.dropout == 0.3
    assert (made.model.head.aux, made.model.head.place, made.model.head.part) == (0.25, "mean", 5)
    assert made.model.head.labels == ("a", "b") and made.model.config.vocab_size == 260
    plain = tuning(dropout=0.0, aux=0.0, warmup=0.0)
    batch = next(tuning().batches)
    expected = torch.nn.functional.cross_entropy(plain.model(batch.ids, batch.at), batch.labels)
    assert next(plain.fit()).loss == pytest.approx(expected.item(), abs=1e-5)
    with_aux = next(tuning(dropout=0.0, warmup=0.0).fit()).loss
    assert with_aux > expected.item() + 1  # L1 of random weights is about ln 260, its half 2.8


def test_longer_parts_may_be_asked_for():
    rows = [{"text": "a" * 30, "text_b": "b" * 3, "label": i % 2} for i in range(4)]
    data = three_parts("entailment", rows, ("no", "yes"))
    assert len(tuning(data=data).parts["train"][0].rows[0]) == 10 + 3 + 3
    assert len(tuning(data=data, part=99).parts["valid"][0].rows[0]) == N_CTX


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs=0 must be greater than 0"),
        ({"epochs": math.nan}, "epochs=nan must be greater than 0"),
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"evals": 0}, "evals=0 must be at least 1"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"warmup": 1.0}, r"warmup=1.0 must be in \[0, 1\)"),
        ({"train": "marks"}, r"train='marks' must be one of all, head, head\+marks"),
        ({"scratch": True, "n_blocks": 1}, r"scratch=True keeps no block \(n_blocks=1\)"),
        ({"scratch": True, "train": "head"}, r"trains all \(train='head'\)"),
        ({"lr": -1.0}, "lr=-1.0 must be greater than 0"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1 must be at least 0"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        RecipeConfig(**fields)


# ---------------------------------------------------------------- what is trained: S0-9


def changed(made, updates):
    """The tensors that differ after so many updates, and the rows of the token table."""
    before = weights(made.model)
    for _, _ in zip(range(updates), made.fit(), strict=False):
        pass
    after = weights(made.model)
    table = (before["gpt.wte.weight"] != after["gpt.wte.weight"]).any(1).nonzero().flatten()
    return {name for name in before if not torch.equal(before[name], after[name])}, table.tolist()


def test_one_update_changes_every_tensor():
    """All 2 + 12 L tensors and the head, not the head and the marks alone."""
    made = tuning(warmup=0.0)
    names, rows = changed(made, 1)
    assert names == set(made.model.state_dict()) and len(names) == 27
    assert {257, 259} < set(rows)


@pytest.mark.parametrize("updates", [1, 8])
def test_the_head_alone_is_one_tensor(updates):
    assert changed(tuning(train="head", warmup=0.0), updates) == ({"score.weight"}, [])


@pytest.mark.parametrize("updates", [1, 8])
def test_head_and_marks_are_the_head_and_three_rows(updates):
    """Every other row of the table is the same to the last bit: no decay, no averages move it."""
    made = tuning(train="head+marks", warmup=0.0, weight_decay=0.1)
    assert changed(made, updates) == ({"score.weight", "gpt.wte.weight"}, [257, 258, 259])


def test_the_marks_are_trained_wherever_they_stand():
    """A token that came later stands behind them: the last three rows are not the marks."""
    tokenizer = Tokenizer.train("aa", 257)
    first = tokenizer.vocab_size  # the marks come next, and then the other one
    tokenizer = with_marks(tokenizer)[0].with_specials(["<|later|>"])
    data = three_parts("classification", ROWS["classification"], labels=("a", "b", "c"))
    recipe = RecipeConfig(train="head+marks", warmup=0.0, batch_size=8, lr=1e-2)
    made = Tuning(make("post", vocab_size=261, n_ctx=N_CTX), tokenizer, data, recipe)
    before = made.model.gpt.wte.weight.detach().clone()
    list(made.fit())
    moved = (made.model.gpt.wte.weight != before).any(1).nonzero().flatten().tolist()
    assert moved == [first, first + 1, first + 2]


def test_what_is_drawn_depends_on_the_seed_and_the_pre_trained_network_stays():
    gpt = letters_gpt()
    before = weights(gpt)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = tuning(gpt)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    again, other = tuning(gpt), tuning(gpt, seed=1)
    assert same_weights(first.model, again.model)
    assert not torch.equal(first.model.score.weight, other.model.score.weight)
    assert not torch.equal(first.model.gpt.wte.weight[257:], other.model.gpt.wte.weight[257:])
    orders = [[next(made.batches).ids.tolist() for _ in range(3)] for made in (first, again, other)]
    assert orders[0] == orders[1] != orders[2]
    list(first.fit())
    assert all(torch.equal(p, before[name]) for name, p in gpt.state_dict().items())


def test_scratch_keeps_the_shape_and_blocks_are_kept_as_asked():
    one, two = (tuning(letters_gpt(seed), scratch=True).model for seed in (0, 1))
    assert same_weights(one, two) and one.config == tuning().model.config
    gpt = make("post", vocab_size=257, n_ctx=N_CTX)  # every number random, gains and biases too
    kept = weights(tuning(gpt, n_blocks=1).model.gpt)
    same = {name for name, p in gpt.state_dict().items() if torch.equal(kept[name][: len(p)], p)}
    assert {name for name in same if name.startswith("h.1")} == set()
    assert len(same) == 2 + 12
    with pytest.raises(ValueError, match="n_blocks=3 must be between 0 and n_layer=2"):
        tuning(n_blocks=3)


def test_an_lstm_is_trained_in_the_gpt_s_place():
    torch.manual_seed(0)
    config = GPTConfig(vocab_size=260, n_ctx=N_CTX, n_layer=1, n_head=1, d_model=16, dropout=0.0)
    network = LSTM(config)
    made = tuning(network, epochs=8, aux=0.0)
    list(made.fit())
    assert made.model.gpt is network
    assert made.judge("train")["accuracy"] == 1.0
    with pytest.raises(ValueError, match="vocab_size=259 must be at least 260, to have room"):
        tuning(LSTM(replace(config, vocab_size=259)))


# ---------------------------------------------------------------- a stage


@pytest.mark.parametrize(
    ("task", "n", "metric", "chance", "reached"),
    [
        ("mood", 28, "accuracy", 1 / 7, 0.6),
        ("entailment", 24, "accuracy", 1 / 3, 0.8),
        ("similarity", 24, "pearson", 0.0, 0.6),
        ("endings", 16, "accuracy", 1 / 4, 0.8),
    ],
)
def test_each_task_of_tales_is_learned_by_heart(task, n, metric, chance, reached):
    """A network of one layer that knows nothing: on the texts it learns from, the metric moves."""
    tokenizer = Tokenizer.load(shipped.folder("tales-gpt1"))
    torch.manual_seed(0)
    shape = {"vocab_size": tokenizer.vocab_size, "n_ctx": 64, "n_layer": 1, "n_head": 2}
    gpt = GPT(GPTConfig(**shape, d_model=32, norm="post"))
    recipe = RecipeConfig(epochs=16, batch_size=8, lr=1e-2, warmup=0.1, dropout=0.0)
    made = Tuning(gpt, tokenizer, labelled(f"tales-{task}", None, n, 0, 0), recipe)
    before = made.judge("train")
    losses = [step.loss for step in made.fit()]
    after = made.judge("train")
    assert set(before) == {metric, "loss"}
    assert before[metric] < chance + 0.25 and after[metric] > reached
    assert after["loss"] < 0.7 * before["loss"] and losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_as_fp32_does(precision):
    full, half = tuning(dropout=0.0, epochs=6), tuning(dropout=0.0, epochs=6, precision=precision)
    losses = [[step.loss for step in made.fit()] for made in (full, half)]
    assert losses[1][0] == pytest.approx(losses[0][0], abs=1e-2) and losses[0] != losses[1]
    assert full.judge("train")["accuracy"] == half.judge("train")["accuracy"] == 1.0


def test_the_loss_of_labels_by_hand():
    """-ln 1/2 and -ln 1/4 have the mean 1.0397; errors 0 and 3 give (0 + 9) / 2 / 2."""
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    assert label_loss(logits, [0, 1]) == pytest.approx(1.5 * math.log(2), abs=1e-6)
    assert label_loss(torch.tensor([[1.0], [3.0]]), [1.0, 0.0]) == pytest.approx(2.25, abs=1e-6)


# ---------------------------------------------------------------- data that do not fit


def test_the_part_and_the_example_of_a_bad_row_are_named():
    rows = [dict(row) for row in by_letter(8).train]
    for change, message in (
        ({"text": ""}, "text='' is empty: it has no tokens"),
        ({"label": 2}, "label=2 must be one of 0 to 1"),
        ({"label": -100}, "label=-100 must be one of 0 to 1"),
        ({"label": math.nan}, "label=nan must be finite"),
    ):
        bad = [*rows[:3], {**rows[3], **change}]
        with pytest.raises(ValueError, match=rf"^three, part valid: example 3: {message}"):
            tuning(data=three_parts("classification", rows, ("a", "b"), bad))
    with pytest.raises(ValueError, match="part train: example 0: 'text_b' is missing"):
        tuning(data=three_parts("entailment", rows, ("a", "b")))
    with pytest.raises(ValueError, match="n_out=1 must be at least 2 for form='classification'"):
        tuning(data=three_parts("classification", [{**row, "label": 0} for row in rows], ("a",)))
    choices = [{"text": "a", "choices": ["b", "c"], "label": 0}]
    more = [{"text": "a", "choices": ["b", "c", "d"], "label": 2}]
    with pytest.raises(ValueError, match="part valid: example 0: choices has 3 and needs 2"):
        tuning(data=three_parts("choice", choices, valid=more))
    with pytest.raises(ValueError, match="three has no training examples"):
        tuning(data=three_parts("choice", []))


def test_scores_may_be_whole_numbers():
    """1 and 2.5 are both scores, in one batch or in two."""
    rows = [
        {"text": "a", "text_b": "b" * (i + 1), "label": i * 0.5 if i % 2 else i} for i in range(4)
    ]
    made = tuning(data=three_parts("similarity", rows), batch_size=1)
    assert {next(made.batches).labels.dtype for _ in range(4)} == {torch.float32}
    assert set(made.judge("valid")) == {"pearson", "loss"}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_judged(form):
    labels = ("a", "b", "c") if form in ("classification", "entailment") else ()
    made = tuning(data=three_parts(form, ROWS[form], labels))
    found = made.judge("test")
    assert set(found) == {"pearson" if form == "similarity" else "accuracy", "loss"}
    with pytest.raises(ValueError, match="0 answers for 0 labels"):
        tuning(data=replace(by_letter(12), test=())).judge("test")


# ---------------------------------------------------------------- what suits the network


def test_what_is_none_is_filled_in_to_suit_network_and_data():
    """The rows of the table; few examples are seen more often, a head learns at its own rate."""
    small, gpt1 = PRESETS["tales-gpt1"], PRESETS["gpt1"]
    for shape, n, recipe, expected in (
        (small, 600, SUITED, (1e-3, 0.1, 16, 3)),
        (small, 200, SUITED, (1e-3, 0.1, 16, 8)),  # 8 times 200 by 16 are 100 updates
        (small, 10, SUITED, (1e-3, 0.1, 16, 20)),
        (gpt1, 5000, SUITED, (6.25e-5, 0.002, 32, 3)),
        (gpt1, 5000, RecipeConfig(), (6.25e-5, 0.002, 32, 3)),
        (small, 600, RecipeConfig(), (6.25e-5, 0.002, 32, 3)),  # as it was asked for
        (small, 600, replace(SUITED, lr=0.5, epochs=1), (0.5, 0.1, 16, 1)),
        (small, 600, replace(SUITED, train="head"), (7.5 / 256, 0.1, 16, 3)),
        (small, 600, replace(SUITED, train="head+marks"), (2.5 / 256, 0.1, 16, 3)),
        (gpt1, 600, replace(SUITED, scratch=True, batch_size=16), (2.5e-4, 0.002, 16, 3)),
    ):
        found = recipe.suited(shape, n)
        assert (found.lr, found.warmup, found.batch_size, found.epochs) == expected
    told = replace(SUITED, lr=0.5).suited(small, 600).told(small, 600)
    assert told == (
        "recipe small (this course, by trying on Tales): lr 0.001, warm-up 10.0% of 113 updates, "
        "16 examples each, 3 epochs; here lr 0.5"
    )
    for ask in (lambda: SUITED.steps(10), lambda: SUITED.optim(10)):
        with pytest.raises(ValueError, match="=None.*: see `suited`"):
            ask()


def test_the_defaults_learn_on_the_shipped_model():
    """Seven moods from 120 texts, by whatever `gptcore finetune` does where nothing is said."""
    data = labelled("tales-mood", n_train=120, n_valid=70, n_test=0)
    made = Tuning(*checkpoint.load("tales-gpt1"), data, FinetuneConfig("unused").recipe)
    list(made.fit())
    assert made.judge("valid")["accuracy"] > 3 / 7  # chance is one in seven
