"""A head on a GPT: the numbers that plain PyTorch gives, and what must never change an answer."""

from dataclasses import replace

import plain_finetuning as plain
import pytest
import torch
from small_models import ids_for, make, same_weights
from small_tasks import FORMS, MARKS, N_OUT, ROWS, TOKENIZER, classifier, examples
from torch import nn

from gptcore.config import GPTConfig
from gptcore.heads.classifier import Classifier, HeadConfig, body, classify
from gptcore.model import GPT
from gptcore.text.inputs import Example, collate, similarity

# ---------------------------------------------------------------- an oracle


def plain_weights(model):
    """The weights of a classifier for `plain_finetuning`, each asking for its gradient."""
    named = {name: p.detach().clone() for name, p in model.gpt.state_dict().items()}
    named["score"] = model.score.weight.detach().clone()
    return {name: p.requires_grad_() for name, p in named.items()}


def compare(model, batch, rows, aux):
    """Raise AssertionError unless answers, loss and every gradient are those of the oracle.

    The network is in float64; losses are made in float32, which keeps 24 bits.
    """
    form, norm = model.head.form, model.config.norm
    w = plain_weights(model)
    expected = plain.loss(w, rows, form, aux, norm=norm)
    found = model.loss(*batch)
    torch.testing.assert_close(found.double(), expected, atol=0, rtol=1e-6)
    answers = [plain.answer_and_l1(w, row, form, 2, norm)[0] for row in rows]
    torch.testing.assert_close(model(batch.ids, batch.at), torch.stack(answers), atol=1e-10, rtol=0)
    model.zero_grad()
    found.backward()
    expected.backward()
    for name, p in [*model.gpt.named_parameters(), ("score", model.score.weight)]:
        torch.testing.assert_close(p.grad, w[name].grad, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("aux", [0.0, 0.5])
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("form", FORMS)
def test_answers_losses_and_gradients_are_those_of_plain_pytorch(form, norm, aux):
    model = classifier(form, norm, torch.float64, aux=aux)
    compare(model, collate(examples(form)), ROWS[form], aux)


def test_similarity_may_have_classes():
    """A paraphrase or none: the sum of the two states goes through a head with two outputs."""
    rows = [{**row, "label": i % 2} for i, row in enumerate(ROWS["similarity"])]
    model = Classifier(
        classifier("similarity", dtype=torch.float64).gpt, HeadConfig("similarity", 2)
    ).eval()
    compare(model, collate(examples("similarity", rows, n_out=2)), rows, 0.5)


@pytest.mark.parametrize("form", FORMS)
def test_scoring_the_padding_would_be_noticed(form):
    """Negative control: an L1 that takes padding for text."""
    batch = collate(examples(form))
    unmasked = batch._replace(targets=batch.targets.clamp(min=0))
    with pytest.raises(AssertionError):
        compare(classifier(form, dtype=torch.float64, aux=0.5), unmasked, ROWS[form], 0.5)


@pytest.mark.parametrize("form", FORMS)
def test_reading_before_the_extract_token_would_be_noticed(form):
    """Negative control: the position before."""
    batch = collate(examples(form))
    with pytest.raises(AssertionError):
        model = classifier(form, dtype=torch.float64, aux=0.0)
        compare(model, batch._replace(at=batch.at - 1), ROWS[form], 0.0)


def test_a_mean_in_the_place_of_the_sum_would_be_noticed():
    """Negative control: half the head on the sum is the whole head on the mean of two states."""
    model = classifier("similarity", dtype=torch.float64)
    state, plain_score = model.score.weight.data, model.score.weight.data.clone()
    state.mul_(0.5)
    batch = collate(examples("similarity"))
    halved = model(batch.ids, batch.at)
    state.copy_(plain_score)
    assert (halved - model(batch.ids, batch.at)).abs().min() > 0.1
    compare(model, batch, ROWS["similarity"], 0.5)


def test_a_loss_by_hand():
    """Answers 1 and -1 for labels 2.5 and -1: (1.5² + 0²) / 2 / 2 = 0.5625.

    The body is a table whose states are (1, 0) at the extract token of the first example's rows
    and (-1, 0) of the second's; the head reads half of the sum of two.
    """
    model = Classifier(
        Table([[1.0, 0.0]] * 2 + [[-1.0, 0.0]] * 2), HeadConfig("similarity", 1, aux=0)
    )
    model.eval().score.weight.data = torch.tensor([[0.5, 9.0]])
    found = [Example(similarity([5], [6], MARKS, 24), label) for label in (2.5, -1.0)]
    assert model.loss(*collate(found)).item() == pytest.approx(0.5625, abs=1e-6)


class Table(nn.Module):
    """A body that gives each row of a batch a state from a list, whatever its tokens are."""

    config = GPTConfig(vocab_size=260, n_ctx=24, n_layer=1, n_head=1, d_model=2)

    def __init__(self, states):
        super().__init__()
        self.wte = nn.Embedding(260, 2)
        self.states = torch.tensor(states)

    def hidden(self, ids):
        return self.states[: len(ids), None].expand(-1, ids.shape[1], -1)


# ---------------------------------------------------------------- what never changes an answer


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("form", FORMS)
def test_padding_changes_nothing(form, norm):
    model = classifier(form, norm)
    found = examples(form)
    narrow, wide = collate(found), collate(found, width=24)
    assert wide.ids.shape[1] == 24
    other = wide._replace(ids=torch.where(wide.targets == -100, 7, wide.ids))
    at = torch.arange(len(wide.at)), wide.at
    other.ids[at] = wide.ids[at]  # the extract token has no target either
    for batch in (wide, other):
        torch.testing.assert_close(model(*batch[::2]), model(*narrow[::2]), atol=1e-5, rtol=0)
        torch.testing.assert_close(model.loss(*batch), model.loss(*narrow), atol=1e-5, rtol=0)
    one_by_one = torch.cat([model.predict([example]) for example in found])
    torch.testing.assert_close(one_by_one, model(*narrow[::2]), atol=1e-5, rtol=0)


def swapped(rows):
    return [{**row, "text": row["text_b"], "text_b": row["text"]} for row in rows]


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_similarity_does_not_know_which_text_is_the_first(norm, batch_size):
    """To the last bit; and entailment does know."""
    model, rows = classifier("similarity", norm), ROWS["similarity"]
    expected = model.predict(examples("similarity", rows), batch_size)
    assert torch.equal(model.predict(examples("similarity", swapped(rows)), batch_size), expected)
    one = [rows[0], *swapped(rows[1:2]), rows[2]]
    assert torch.equal(model.predict(examples("similarity", one), batch_size), expected)
    model, rows = classifier("entailment", norm), ROWS["entailment"]
    given = model.predict(examples("entailment", rows))
    assert (model.predict(examples("entailment", swapped(rows))) - given).abs().max() > 1e-2


class Uneven(nn.Module):
    """A body that depends on a row's place in its batch, as the last bits of a BLAS may."""

    def __init__(self, gpt):
        super().__init__()
        self.gpt, self.config, self.wte = gpt, gpt.config, gpt.wte

    def hidden(self, ids):
        return self.gpt.hidden(ids) * (1 + 1e-3 * torch.arange(len(ids)))[:, None, None]


def test_similarity_is_symmetric_whatever_the_arithmetic_does():
    """The order in which `predict` reads the rows makes it so, not luck with rounding."""
    model, rows = classifier("similarity"), ROWS["similarity"]
    model.gpt = Uneven(model.gpt)
    one, other = examples("similarity", rows), examples("similarity", swapped(rows))
    assert torch.equal(model.predict(one), model.predict(other))
    forward = [model(*collate(found)[::2]) for found in (one, other)]
    assert not torch.equal(*forward)  # positive control: without that order they differ


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_options_may_stand_in_any_order(norm):
    model, rows = classifier("choice", norm), ROWS["choice"]
    order = [2, 0, 1]
    moved = [
        {
            "text": row["text"],
            "choices": [row["choices"][i] for i in order],
            "label": order.index(row["label"]),
        }
        for row in rows
    ]
    one, other = examples("choice", rows), examples("choice", moved)
    answers = model.predict(one)
    assert answers.shape == (2, 3) and (answers[:, 0] - answers[:, 1]).abs().min() > 1e-3
    torch.testing.assert_close(model.predict(other), answers[:, order], atol=1e-5, rtol=0)
    losses = [model.loss(*collate(found)) for found in (one, other)]
    torch.testing.assert_close(*losses, atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_prediction_does_not_depend_on_the_batch_size_and_keeps_the_order(form):
    rows = [{**row, "text": row["text"][i:]} for i in range(2) for row in ROWS[form]]
    model, found = classifier(form), examples(form, rows)
    expected = torch.cat([model(*collate([example])[::2]) for example in found])
    assert expected.shape == (len(rows), N_OUT[form])
    for batch_size in (1, 2, 4, 99):
        answers = model.predict(found, batch_size)
        assert not answers.requires_grad and answers.dtype == torch.float32
        torch.testing.assert_close(answers, expected, atol=1e-5, rtol=0)
    assert model.predict([]).shape == (0, N_OUT[form])


def test_prediction_is_without_dropout_and_leaves_the_mode():
    found = examples("classification")
    model = classifier("classification", dropout=0.5)
    expected = model.predict(found)
    model.train()
    assert torch.equal(model.predict(found), expected) and model.training
    noisy = [model(*collate(found)[::2]) for _ in range(2)]
    assert not torch.allclose(*noisy, atol=1e-3)


def test_the_head_drops_what_it_reads_and_scales_the_rest():
    """The body without dropout, the head with 0.5: each number is dropped or doubled."""
    model = classifier("classification", dropout=0.5).train()
    model.gpt.eval()
    model.score.weight.data = torch.eye(8)[:3]
    batch = collate(examples("classification"))
    state = model.gpt.hidden(batch.ids)[torch.arange(3), batch.at][:, :3]
    drawn = torch.stack([model(*batch[::2]) / state for _ in range(40)])
    assert drawn.round(decimals=4).unique().tolist() == [0.0, 2.0]
    assert torch.equal(model.eval()(*batch[::2]), state)


@pytest.mark.filterwarnings("ignore:.*longer than the context")
def test_texts_without_labels_are_classified():
    """By the names of the classes, their numbers, the index of the choice, or the score."""
    for form in FORMS:
        model, rows = classifier(form), [{**row} for row in ROWS[form]]
        answers = model.predict(examples(form))
        for row in rows:
            del row["label"]
        best = answers[:, 0] if form == "similarity" else answers.argmax(1)
        assert classify(model, TOKENIZER, iter(rows)) == best.tolist()
        assert classify(model, TOKENIZER, []) == []
    model = classifier("classification", labels=("sad", "so so", "happy"))
    named = classify(model, TOKENIZER, ROWS["classification"])
    best = model.predict(examples("classification")).argmax(1)
    assert named == [("sad", "so so", "happy")[i] for i in best]
    with pytest.raises(ValueError, match="example 0: choices has 2 and needs 3"):
        classify(classifier("choice"), TOKENIZER, [{"text": "a", "choices": ["b", "c"]}])
    with pytest.raises(ValueError, match="example 0: text='' is empty"):
        classify(model, TOKENIZER, [{"text": ""}])


@pytest.mark.filterwarnings("ignore:.*longer than the context")
def test_whole_numbers_come_back_as_such_and_long_texts_are_told():
    model = classifier("classification", labels=("-1", "3", "10"), integers=True)
    best = model.predict(examples("classification")).argmax(1)
    found = classify(model, TOKENIZER, ROWS["classification"])
    assert found == [(-1, 3, 10)[i] for i in best] and {type(one) for one in found} == {int}
    with pytest.warns(UserWarning, match="^1 of 2 examples are longer than the context of 24 tok"):
        classify(model, TOKENIZER, [{"text": "a" * 23}, {"text": "a" * 22}])
    with pytest.raises(ValueError, match="integers=True: labels='3.5' must be a number"):
        classifier("classification", labels=("1", "2", "3.5"), integers=True)


# ---------------------------------------------------------------- where the head reads


def test_from_the_start_token_every_text_looks_the_same():
    """Nothing before it, so nothing of the text: S0-6 of the corrections. The mean does know."""
    found = examples("classification")
    for place, same in (("start", True), ("mean", False), ("extract", False)):
        answers = classifier("classification", place=place).predict(found)
        assert torch.allclose(answers, answers[:1].expand(3, -1), atol=1e-5) == same


def test_the_mean_is_over_the_real_positions():
    model = classifier("classification", dtype=torch.float64, place="mean")
    found = examples("classification")
    w = plain_weights(model)
    for example, answer in zip(found, model(*collate(found)[::2]), strict=True):
        state = plain.states(w, example.rows[0], 2, "post").mean(0)
        torch.testing.assert_close(answer, w["score"] @ state, atol=1e-10, rtol=0)


# ---------------------------------------------------------------- the copy of the body


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_copy_of_the_body_knows_what_the_original_knows(norm):
    gpt = make(norm, vocab_size=257, n_head=4, d_model=64)
    before, state = {n: p.clone() for n, p in gpt.state_dict().items()}, torch.get_rng_state()
    copy = body(gpt, 260, dropout=0.3, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert copy.config == replace(gpt.config, vocab_size=260, dropout=0.3)
    ids = ids_for(gpt)
    torch.testing.assert_close(copy.eval()(ids)[..., :257], gpt(ids), atol=1e-5, rtol=0)
    new = copy.wte.weight[257:]
    assert new.std().item() == pytest.approx(0.02, rel=0.01 * 15)  # 192 numbers: three errors
    assert new.mean().abs() < 0.005
    again, other = body(gpt, 260, seed=5), body(gpt, 260, seed=6)
    assert same_weights(copy, again) and not torch.equal(other.wte.weight[257:], new)
    with torch.no_grad():
        for p in copy.parameters():
            p.zero_()
    assert all(torch.equal(p, before[name]) for name, p in gpt.state_dict().items())


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("n_blocks", [0, 1, 2, None])
def test_exactly_the_first_blocks_are_transferred(norm, n_blocks):
    """All weights of `make` are random, so a kept tensor is equal and a fresh one is not."""
    gpt = make(norm, vocab_size=257)
    copy = body(gpt, 260, n_blocks=n_blocks).state_dict()
    kept = {"wte.weight", "wpe.weight"}
    kept |= {
        name
        for name in copy
        for i in range(2 if n_blocks is None else n_blocks)
        if name.startswith(f"h.{i}.")
    }
    kept |= {name for name in copy if name.startswith("ln_f") and n_blocks in (2, None)}
    equal = {n for n, p in gpt.state_dict().items() if torch.equal(copy[n][: len(p)], p)}
    assert equal == kept
    assert len(kept) == 2 + 12 * (2 if n_blocks is None else n_blocks) + 2 * (
        norm == "pre" and n_blocks in (2, None)
    )


@pytest.mark.parametrize("n_blocks", [-1, 3])
def test_there_are_only_so_many_blocks(n_blocks):
    with pytest.raises(ValueError, match=rf"n_blocks={n_blocks} must be between 0 and n_layer=2"):
        body(make(), 303, n_blocks=n_blocks)


# ---------------------------------------------------------------- what is trained


def gradients(model):
    """Which tensors a backward pass gives a gradient, and which rows of the token table."""
    model.zero_grad()
    model.loss(*collate(examples(model.head.form))).backward()
    named = {name for name, p in model.named_parameters() if p.grad is not None}
    table = model.gpt.wte.weight.grad
    return named, [] if table is None else table.abs().sum(1).nonzero().flatten().tolist()


def test_what_is_trained_gets_gradients_and_nothing_else():
    """And the choice may be changed: what an earlier one forbade is forgotten."""
    model = classifier("entailment")
    every = {name for name, _ in model.named_parameters()}
    assert len(every) == 2 + 2 * 12 + 1
    for _ in range(2):
        model.train_only("head")
        assert gradients(model) == ({"score.weight"}, [])
        model.train_only("head+marks")
        assert gradients(model) == ({"score.weight", "gpt.wte.weight"}, [257, 258, 259])
        model.train_only("all")
        named, rows = gradients(model)
        assert named == every and len(rows) == 260
    with pytest.raises(ValueError, match=r"what='marks' must be one of all, head, head\+marks"):
        model.train_only("marks")


def test_a_fresh_head_is_small_and_has_no_bias():
    gpt = GPT(GPTConfig(vocab_size=260, n_ctx=24, n_layer=1, n_head=1, d_model=256))
    torch.manual_seed(1)
    model = Classifier(gpt, HeadConfig("classification", 5))
    assert [tuple(p.shape) for p in model.score.parameters()] == [(5, 256)]
    assert model.score.weight.std().item() == pytest.approx(0.02, rel=0.01 * 9)  # three errors
    assert Classifier(gpt, HeadConfig("choice", 4)).score.weight.shape == (1, 256)
    assert Classifier(gpt, HeadConfig("similarity", 1)).score.weight.shape == (1, 256)
    double = classifier("classification", dtype=torch.float64)
    assert double.score.weight.dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "regression"}, "form='regression' must be one of classification, entailment"),
        ({"place": "end"}, "place='end' must be one of extract, start, mean"),
        ({"n_out": 1}, "n_out=1 must be at least 2 for form='classification'"),
        ({"form": "entailment", "n_out": 1}, "n_out=1 must be at least 2 for form='entailment'"),
        ({"form": "choice", "n_out": 1}, "n_out=1 must be at least 2 for form='choice'"),
        ({"form": "similarity", "n_out": 0}, "n_out=0 must be at least 1 for form='similarity'"),
        ({"labels": ("a",)}, "labels has 1 names; n_out=3 needs as many"),
        ({"aux": -0.5}, "aux=-0.5 must be at least 0"),
        ({"aux": float("nan")}, "aux=nan must be at least 0"),
        ({"dropout": 1.0}, r"dropout=1.0 must be in \[0, 1\)"),
    ],
)
def test_a_head_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HeadConfig(**{"form": "classification", "n_out": 3, **options})
