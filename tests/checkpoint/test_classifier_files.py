"""Fine-tuned networks on disk: they come back, open in transformers, and say what is wrong.

The oracle is transformers, where it is installed.
"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import make, same_weights
from small_tasks import FORMS, TOKENIZER, classifier, examples

from gptcore import checkpoint
from gptcore.heads.classifier import Classifier, HeadConfig, classify
from gptcore.text.inputs import collate

NAMES = ("sad", "so so", "happy")


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("form", FORMS)
def test_transformers_opens_a_classifier_and_gives_the_same_logits(tmp_path, form, norm):
    """It reads the last token that is not padding, and gives each row a number per class.

    Of the rows of an example, similarity adds the numbers and choice puts them side by side.
    """
    transformers = pytest.importorskip("transformers")
    model = classifier(form, norm)
    checkpoint.save(tmp_path, model)
    batch = collate(examples(form))
    assert (batch.ids == 0).any()  # else padding would not be tried
    theirs, report = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path, output_loading_info=True
    )
    kind = {"post": "OpenAIGPTForSequenceClassification", "pre": "GPT2ForSequenceClassification"}
    assert type(theirs).__name__ == kind[norm] and not any(report.values()), report
    logits = theirs.eval()(batch.ids).logits
    if form == "similarity":
        logits = logits[::2] + logits[1::2]
    logits = logits.view(len(batch.labels), -1)
    torch.testing.assert_close(logits, model(batch.ids, batch.at), atol=1e-4, rtol=0)
    assert logits.shape == (len(batch.labels), model.head.n_out)


def test_transformers_learns_the_names_of_the_classes(tmp_path):
    transformers = pytest.importorskip("transformers")
    checkpoint.save(tmp_path, classifier("classification", labels=NAMES), TOKENIZER)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert config.id2label == dict(enumerate(NAMES)) and config.num_labels == 3
    assert config.label2id == {name: i for i, name in enumerate(NAMES)}
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.convert_ids_to_tokens([257, 258, 259]) == ["_start_", "_delimiter_", "_classify_"]


@pytest.mark.parametrize("dtype", [None, torch.float16])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_classifier_comes_back_with_head_and_tokenizer(tmp_path, norm, dtype):
    head = {"labels": NAMES, "part": 7, "aux": 0.25, "dropout": 0.3, "place": "mean"}
    model = classifier("classification", norm, **head)
    checkpoint.save(tmp_path, model, TOKENIZER, dtype=dtype)
    state = torch.get_rng_state()
    loaded, tokenizer = checkpoint.load_classifier(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert loaded.head == model.head == HeadConfig("classification", 3, **head)
    assert loaded.config == model.config and tokenizer == TOKENIZER
    expected = classifier("classification", norm, **head)
    if dtype:
        expected = expected.half().float()
    assert same_weights(loaded, expected) and not loaded.training
    assert all(p.requires_grad for p in loaded.parameters())
    assert set(classify(loaded, tokenizer, [{"text": "a fox"}])) <= set(NAMES)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_body_of_a_classifier_is_a_gpt(tmp_path, norm):
    model = classifier("choice", norm)
    checkpoint.save(tmp_path, model, TOKENIZER)
    body, tokenizer = checkpoint.load(tmp_path)
    assert same_weights(body, model.gpt) and body.config == model.config
    assert tokenizer == TOKENIZER


def test_a_sparse_classifier_comes_back_but_does_not_pass_for_another(tmp_path):
    gpt = make("pre", vocab_size=260, pattern=("dense", "banded"), window=3)
    model = Classifier(gpt, HeadConfig("entailment", 3)).eval()
    checkpoint.save(tmp_path, model)
    assert same_weights(checkpoint.load_classifier(tmp_path)[0], model)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "gptcore"


def test_a_language_model_is_no_classifier(tmp_path):
    for source in (checkpoint.save(tmp_path, make()), "tales-gpt1"):
        with pytest.raises(ValueError, match="holds a language model without a head of ours"):
            checkpoint.load_classifier(source)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        checkpoint.load_classifier(tmp_path / "gone")


def damaged(folder, weight="as it is", head="as it is"):
    """A saved classifier with another tensor, or without it, or with another description."""
    checkpoint.save(folder, classifier("classification"))
    tensors = load_file(folder / "model.safetensors")
    if weight is None:
        del tensors["score.weight"]
    elif isinstance(weight, torch.Tensor):
        tensors["score.weight"] = weight
    save_file(tensors, folder / "model.safetensors")
    described = json.loads((folder / "config.json").read_text())
    if head is None:
        del described["gptcore"]["head"]
    elif head != "as it is":
        described["gptcore"]["head"] = head
    (folder / "config.json").write_text(json.dumps(described))


GOOD = {"form": "classification", "n_out": 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weight": torch.zeros(2, 8)},
            r"tensor score.weight has shape \(2, 8\); expected \(3, 8\)",
        ),
        ({"weight": torch.zeros(3)}, r"tensor score.weight has shape \(3,\); expected \(3, 8\)"),
        ({"weight": torch.zeros(3, 8).int()}, "tensor score.weight holds torch.int32, no floats"),
        ({"weight": None}, "holds a language model without a head"),
        ({"head": None}, "holds a language model without a head"),
        ({"head": {**GOOD, "n_out": 5}}, r"has shape \(3, 8\); expected \(5, 8\)"),
        ({"head": {**GOOD, "form": "choice"}}, r"has shape \(3, 8\); expected \(1, 8\)"),
        ({"head": {**GOOD, "n_out": "3"}}, "config.json: gptcore.head: "),
        ({"head": {**GOOD, "n_out": 3.0}}, "config.json: gptcore.head: n_out=3.0 must be an int"),
        ({"head": {**GOOD, "size": 3}}, "config.json: gptcore.head: .*'size'"),
        ({"head": {"form": "classification"}}, "config.json: gptcore.head: .*'n_out'"),
        ({"head": ["classification", 3]}, "config.json: gptcore.head: "),
        ({"head": {**GOOD, "place": "end"}}, "config.json: gptcore.head: place='end' must be one"),
    ],
)
def test_a_head_that_is_damaged_is_named(tmp_path, change, message):
    damaged(tmp_path)
    checkpoint.load_classifier(tmp_path)  # positive control
    damaged(tmp_path, **change)
    with pytest.raises(ValueError, match=message) as raised:
        checkpoint.load_classifier(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_a_folder_cut_short_is_named(tmp_path):
    damaged(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="model.safetensors is damaged"):
        checkpoint.load_classifier(tmp_path)
