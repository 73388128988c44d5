"""Reward models on disk: they come back with their bias, and transformers opens them.

The oracle is transformers, where it is installed.
"""

import json

import pytest
import torch
from small_models import make, same_weights
from small_tasks import LETTERS, classifier

from gptcore import checkpoint
from gptcore.heads.reward import Judge, RewardModel


def saved(folder, norm="pre", bias=0.3):
    torch.manual_seed(0)
    model = RewardModel(make(norm, vocab_size=257)).eval()
    torch.nn.init.constant_(model.score.bias, bias)
    checkpoint.save(folder, model, LETTERS)
    return model


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_reward_model_comes_back_with_its_bias(tmp_path, norm):
    model = saved(tmp_path, norm)
    state = torch.get_rng_state()
    loaded, tokenizer = checkpoint.load_reward(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert same_weights(loaded, model) and not loaded.training and tokenizer == LETTERS
    asked = ["a", "b"], ["x", ""]
    found = Judge(loaded, tokenizer).score(*asked)
    assert torch.equal(found, Judge(model, LETTERS).score(*asked))
    body, _ = checkpoint.load(tmp_path)
    assert same_weights(body, model.gpt)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_transformers_opens_it_and_says_the_same_but_for_the_bias(tmp_path, norm):
    transformers = pytest.importorskip("transformers")
    model = saved(tmp_path, norm)
    theirs, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    kind = {"post": "OpenAIGPTForSequenceClassification", "pre": "GPT2ForSequenceClassification"}
    assert type(theirs).__name__ == kind[norm] and not any(report.values()), report
    assert theirs.config.num_labels == 1
    ids, at = torch.tensor([[5, 6, 256, 0, 0], [7, 8, 9, 9, 256]]), torch.tensor([2, 4])
    logits = theirs.eval()(ids).logits[:, 0]
    torch.testing.assert_close(logits + model.bias, model(ids, at), atol=1e-4, rtol=0)


def test_heads_are_not_taken_for_one_another(tmp_path):
    saved(tmp_path / "reward")
    checkpoint.save(tmp_path / "classifier", classifier("classification"))
    checkpoint.save(tmp_path / "gpt", make())
    with pytest.raises(ValueError, match="read it with load_reward"):
        checkpoint.load_classifier(tmp_path / "reward")
    with pytest.raises(ValueError, match="holds a classifier, no reward model"):
        checkpoint.load_reward(tmp_path / "classifier")
    with pytest.raises(ValueError, match="without a head of ours"):
        checkpoint.load_reward(tmp_path / "gpt")


@pytest.mark.parametrize("bias", [None, "0.3", float("nan")])
def test_a_bias_that_is_no_number_is_named(tmp_path, bias):
    saved(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    described["gptcore"]["head"]["bias"] = bias
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="gptcore.head: bias=.* must be a finite number"):
        checkpoint.load_reward(tmp_path)
