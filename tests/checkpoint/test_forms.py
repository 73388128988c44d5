"""What each kind of model is on disk: it comes back as itself, or says that it cannot."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from short_runs import OPTIM, batches, curve, new, run, same
from small_models import ids_for, make, same_weights
from torch import nn

from gptcore import checkpoint
from gptcore.gradients import tied_cross_entropy
from gptcore.heads.classifier import Classifier, HeadConfig
from gptcore.lstm import LSTM
from gptcore.text.inputs import Example, collate
from gptcore.tokenizer import Tokenizer
from gptcore.train.loop import fit


def lstm(seed=0, **changes):
    torch.manual_seed(seed)
    return LSTM(replace(new().config, **changes))


# ---------------------------------------------------------------- an LSTM


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_an_lstm_comes_back_as_an_lstm(tmp_path, dtype):
    tokenizer = Tokenizer.train("aa", 258)
    model = lstm(vocab_size=258, dropout=0.3)
    checkpoint.save(tmp_path, model, tokenizer, dtype=dtype)
    before = torch.get_rng_state()
    found, read = checkpoint.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert type(found) is LSTM and found.config == model.config and read == tokenizer
    assert same_weights(found, model.half().float() if dtype else model)
    assert not found.training
    described = json.loads((tmp_path / "config.json").read_text())
    assert described["model_type"] == "gptcore-lstm" and described["architectures"] == ["LSTM"]


def test_transformers_does_not_take_an_lstm_for_a_gpt(tmp_path):
    transformers = pytest.importorskip("transformers")
    checkpoint.save(tmp_path, lstm())
    with pytest.raises(ValueError, match="gptcore-lstm"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("stop", [3, 7])
def test_a_run_of_an_lstm_is_resumed(tmp_path, stop):
    expected = lstm()
    records = [curve(step) for step in fit(expected, batches(), OPTIM, 8)]
    steps = fit(lstm(), batches(), OPTIM, 8, checkpoint_dir=tmp_path)
    first = [curve(next(steps)) for _ in range(stop)]
    steps.close()
    model = lstm(seed=5)
    rest = [curve(s) for s in fit(model, batches(), OPTIM, 8, checkpoint_dir=tmp_path, resume=True)]
    assert first + rest == records
    assert same(model, expected)


def test_a_damaged_lstm_is_named(tmp_path):
    checkpoint.save(tmp_path, lstm())
    path = tmp_path / "model.safetensors"
    whole = load_file(path)
    save_file({n: t for n, t in whole.items() if n != "lstm.bias_hh_l0"}, path)
    with pytest.raises(ValueError, match=r"tensor lstm\.bias_hh_l0 of the model is missing"):
        checkpoint.load(tmp_path)
    save_file({**whole, "wte.weight": torch.zeros(21, 16)}, path)
    with pytest.raises(ValueError, match=r"wte\.weight has shape \(21, 16\).*\(20, 16\)"):
        checkpoint.load(tmp_path)
    save_file({**whole, "more": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="tensor more is unexpected"):
        checkpoint.load(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**described, "d_model": 0}))
    with pytest.raises(ValueError, match=r"config\.json: d_model=0 must be at least 1"):
        checkpoint.load(tmp_path)


# ---------------------------------------------------------------- a head


EXAMPLES = [Example(([1, 5, 6, 3],), 0), Example(([1, 7, 3],), 1)]


@pytest.mark.parametrize("body", [lstm, make, lambda: make(tied=False)])
def test_a_head_comes_back_on_its_body(tmp_path, body):
    """On an LSTM too, which was written down as the head of a GPT-2."""
    head = HeadConfig("classification", 2, labels=("no", "yes"))
    model = Classifier(body(), head).eval()
    checkpoint.save(tmp_path, model)
    found, _ = checkpoint.load_classifier(tmp_path)
    assert type(found.gpt) is type(model.gpt) and found.head == head
    assert torch.equal(found.predict(EXAMPLES), model.predict(EXAMPLES))
    alone, _ = checkpoint.load(tmp_path)
    assert same_weights(alone, model.gpt)
    other = Classifier(body(), head)
    checkpoint.restore(tmp_path, other)
    assert same_weights(other, model)


# ---------------------------------------------------------------- other kinds


class Own(nn.Module):
    """A model of somebody else's, which says how it is kept."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 20)

    def forward(self, ids):
        return self.table(ids)

    def loss(self, ids, targets):
        return nn.functional.cross_entropy(self(ids).flatten(0, 1), targets.flatten())

    def saved_as(self):
        return {"model_type": "bigram", "vocab_size": 20}, self.state_dict()


def test_a_model_that_says_how_it_is_kept_is_kept_and_resumed(tmp_path):
    expected = Own()
    start = {name: p.clone() for name, p in expected.state_dict().items()}
    records = [curve(step) for step in fit(expected, batches(), OPTIM, 8)]
    model = Own()
    model.load_state_dict(start)
    steps = fit(model, batches(), OPTIM, 8, checkpoint_dir=tmp_path)
    first = [curve(next(steps)) for _ in range(3)]
    steps.close()
    again = Own()
    rest = fit(again, batches(), OPTIM, 8, checkpoint_dir=tmp_path, resume=True)
    assert first + [curve(step) for step in rest] == records
    assert same(again, expected)
    with pytest.raises(ValueError, match="model_type='bigram' must be gpt2, .*checkpoint.restore"):
        checkpoint.load(tmp_path)


def test_what_cannot_be_saved_is_named_with_what_can(tmp_path):
    for model, name in (
        (nn.Linear(2, 2), "Linear"),
        ({"a": torch.ones(2)}, "dict"),
        (None, "None"),
    ):
        with pytest.raises(
            TypeError, match=rf"model is a {name}.*: what can be saved is a GPT, an "
        ):
            checkpoint.save(tmp_path / "no", model)
    assert not (tmp_path / "no").exists()


def test_a_gpt_with_more_in_it_is_not_saved_without_it(tmp_path):
    model = make()
    model.h[1].mlp.adapter = nn.Linear(8, 8)
    with pytest.raises(TypeError, match=r"tensor h\.1\.mlp\.adapter\.weight no GPT of its config"):
        checkpoint.save(tmp_path, model)


def test_blocks_compiled_one_by_one_are_seen_through(tmp_path):
    model = make()
    expected = {name: p.clone() for name, p in model.state_dict().items()}
    model.h[0] = torch.compile(model.h[0])
    checkpoint.save(tmp_path, model)
    found = checkpoint.load(tmp_path)[0].state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], p) for name, p in expected.items())


# ---------------------------------------------------------------- an output matrix of its own


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_transformers_opens_an_untied_network_and_we_open_its(tmp_path, norm):
    transformers = pytest.importorskip("transformers")
    ours = make(norm, tied=False)
    ids = ids_for(ours)
    assert ours.n_params() == make(norm).n_params() + 300 * 8
    checkpoint.save(tmp_path / "ours", ours)
    described = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert described["tie_word_embeddings"] is False
    cls = transformers.AutoModelForCausalLM
    theirs, report = cls.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(report.values()), report
    torch.testing.assert_close(theirs.eval()(ids).logits, ours(ids), atol=1e-4, rtol=0)
    with torch.no_grad():
        theirs.lm_head.weight.mul_(1.5)
    theirs.save_pretrained(tmp_path / "theirs")
    found, _ = checkpoint.load(tmp_path / "theirs")
    assert not found.config.tied
    torch.testing.assert_close(found(ids), theirs(ids).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("told", [True, None])
def test_a_matrix_of_its_own_is_read_even_where_the_config_does_not_say_so(tmp_path, told):
    model = make(tied=False)
    path = checkpoint.save(tmp_path, model) / "config.json"
    described = json.loads(path.read_text())
    described.pop("tie_word_embeddings")
    path.write_text(json.dumps(described | ({} if told is None else {"tie_word_embeddings": told})))
    with pytest.warns(UserWarning, match=r"lm_head\.weight differs from the token embedding"):
        found, _ = checkpoint.load(tmp_path)
    assert same_weights(found, model) and not found.config.tied
    stored = load_file(tmp_path / "model.safetensors")
    stored["lm_head.weight"] = stored["transformer.wte.weight"].clone()
    save_file(stored, tmp_path / "model.safetensors")
    assert checkpoint.load(tmp_path)[0].config.tied  # the same numbers are one matrix


def test_a_missing_output_matrix_is_named(tmp_path):
    path = checkpoint.save(tmp_path, make()) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tie_word_embeddings": False}))
    with pytest.raises(ValueError, match=r"tensor lm_head\.weight is missing"):
        checkpoint.load(tmp_path)


def test_an_untied_network_learns_with_both_matrices_and_is_resumed(tmp_path):
    expected, records = run(new(tied=False), steps=8)
    assert not torch.equal(expected.lm_head.weight, new(tied=False).lm_head.weight)
    steps = fit(new(tied=False), batches(), OPTIM, 8, checkpoint_dir=tmp_path)
    first = [curve(next(steps)) for _ in range(3)]
    steps.close()
    model, rest = run(new(seed=5, tied=False), steps=8, checkpoint_dir=tmp_path, resume=True)
    assert first + rest == records and same(model, expected)
    with pytest.raises(ValueError, match=r"model\.tied=False, now model\.tied=True"):
        run(new(), steps=8, checkpoint_dir=tmp_path, resume=True)


def test_a_head_scores_the_next_token_with_the_matrix_of_its_body():
    model = Classifier(make(tied=False), HeadConfig("classification", 2)).eval()
    ids, _, at, targets = collate(EXAMPLES)
    hidden = model.gpt.hidden(ids)
    real, shares = targets != -100, torch.tensor([1 / 6] * 3 + [1 / 4] * 2)
    output = model.gpt.lm_head.weight
    expected = tied_cross_entropy(hidden[real], output, targets[real], shares)
    torch.testing.assert_close(model.language_loss(hidden, at, targets), expected)


def test_a_run_from_before_a_setting_was_known_is_resumed(tmp_path):
    """A checkpoint of an earlier version does not name what was invented later."""
    steps = fit(new(), batches(), OPTIM, 8, checkpoint_dir=tmp_path)
    next(steps)
    steps.close()
    path = tmp_path / "training.json"
    saved = json.loads(path.read_text())
    model, optim = (saved["state"]["settings"][name] for name in ("model", "optim"))
    assert model.pop("tied") is True and optim.pop("decay_steps", "absent") is None
    n_layer = model.pop("n_layer")
    path.write_text(json.dumps(saved))
    with pytest.raises(ValueError, match=r"model\.n_layer=12, now model\.n_layer=2"):
        run(steps=8, checkpoint_dir=tmp_path, resume=True)
    model["n_layer"] = n_layer
    path.write_text(json.dumps(saved))
    assert len(run(steps=8, checkpoint_dir=tmp_path, resume=True)[1]) == 7
