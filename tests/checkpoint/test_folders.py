"""Checkpoint folders: what we save comes back and opens in transformers, and the other way round.

The oracle is transformers, where it is installed.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from small_models import ids_for, make, same_weights

from gptcore import checkpoint

KERNELS = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
TEXT = "the cat sat on the mat; the dog sat on the log. a cat and a dog saw a frog. " * 5


def save_and_edit(folder, model, **changes):
    """Save a model, then change fields of its config.json by hand."""
    path = checkpoint.save(folder, model) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture(scope="module")
def tokenizer():
    from gptcore.tokenizer import Tokenizer

    return Tokenizer.train(TEXT, 280)


@pytest.mark.parametrize("norm, dtype", [("post", torch.float32), ("pre", torch.float64)])
def test_save_then_load_gives_the_same_model(tmp_path, norm, dtype):
    model = make(norm, window=7, summary=3).to(dtype)
    assert checkpoint.save(tmp_path / "new" / "run", model) == tmp_path / "new" / "run"
    loaded, tokenizer = checkpoint.load(tmp_path / "new" / "run")
    assert loaded.config == model.config and same_weights(loaded, model)
    assert tokenizer is None and not loaded.training
    assert all(p.requires_grad for p in loaded.parameters())
    assert sorted(p.name for p in (tmp_path / "new" / "run").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("dtype, atol", [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_transformers_opens_what_we_save_and_gives_the_same_logits(tmp_path, norm, dtype, atol):
    transformers = pytest.importorskip("transformers")
    named = {"post": transformers.OpenAIGPTLMHeadModel, "pre": transformers.GPT2LMHeadModel}[norm]
    model = make(norm).to(dtype)
    checkpoint.save(tmp_path, model)
    ids = ids_for(model)
    for cls in (named, transformers.AutoModelForCausalLM):
        theirs, report = cls.from_pretrained(tmp_path, output_loading_info=True, dtype=dtype)
        assert type(theirs) is named and not any(report.values()), report
        torch.testing.assert_close(theirs.eval()(ids).logits, model(ids), atol=atol, rtol=0)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [named.__name__]
    assert theirs.config.attn_pdrop == theirs.config.embd_pdrop == theirs.config.resid_pdrop == 0.1


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("head", [True, False])
def test_we_open_what_transformers_saves_and_give_the_same_logits(tmp_path, norm, head):
    """With its LM head (prefix "transformer.") and without (no prefix), and its fresh defaults."""
    transformers = pytest.importorskip("transformers")
    names = {"post": "OpenAIGPT", "pre": "GPT2"}[norm]
    config = getattr(transformers, f"{names}Config")(
        vocab_size=30, n_positions=16, n_embd=8, n_layer=2, n_head=2
    )
    theirs = getattr(transformers, names + ("LMHeadModel" if head else "Model"))(config).eval()
    theirs.save_pretrained(tmp_path)
    ours, _ = checkpoint.load(tmp_path)
    ids = torch.arange(16)[None]
    if head:
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=0)
    else:
        hidden = theirs(ids).last_hidden_state
        torch.testing.assert_close(ours.hidden(ids), hidden, atol=1e-4, rtol=0)


def test_tokenizer_comes_back_and_opens_in_transformers(tmp_path, tokenizer):
    transformers = pytest.importorskip("transformers")
    checkpoint.save(tmp_path, make("post"), tokenizer)
    _, ours = checkpoint.load(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "The cat SAT on the log,  twice — naïve 你好!"
    assert ours.encode(text) == theirs.encode(text) == tokenizer.encode(text)
    assert theirs.eos_token_id == tokenizer.eot and theirs.decode(ours.encode(text)) == text
    described = json.loads((tmp_path / "config.json").read_text())
    assert described["eos_token_id"] == described["bos_token_id"] == tokenizer.eot


def test_kernels_are_stored_in_by_out_and_the_output_matrix_is_not_stored(tmp_path):
    model = make("post")
    checkpoint.save(tmp_path, model)
    stored = load_file(tmp_path / "model.safetensors")
    assert torch.equal(stored["transformer.tokens_embed.weight"], model.wte.weight)
    for kernel in KERNELS:  # the square attn.c_proj would hide a missed transpose
        ours = model.get_submodule(f"h.1.{kernel}").weight
        assert torch.equal(stored[f"transformer.h.1.{kernel}.weight"], ours.t())
    assert "lm_head.weight" not in stored and len(stored) == 2 + 2 * 12
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_half_precision_is_stored_small_and_loads_as_float32(tmp_path):
    model = make("post")
    checkpoint.save(tmp_path, model, dtype=torch.float16)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    stored = load_file(tmp_path / "model.safetensors")
    assert {t.dtype for t in stored.values()} == {torch.float16}
    loaded, _ = checkpoint.load(tmp_path)
    assert same_weights(loaded, make("post").half().float())
    kept, _ = checkpoint.load(tmp_path, dtype=torch.float16)
    assert {p.dtype for p in kept.parameters()} == {torch.float16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_weight_too_large_for_half_precision_is_refused(tmp_path):
    model = make()
    with torch.no_grad():
        model.h[0].mlp.c_fc.bias[3] = 1e5
    with pytest.raises(ValueError, match=r"float16 cannot hold tensor h.0.mlp.c_fc.bias.*1e\+05"):
        checkpoint.save(tmp_path, model, dtype=torch.float16)
    assert not list(tmp_path.iterdir())


def test_a_sparse_model_comes_back_but_does_not_pass_for_a_gpt2(tmp_path):
    model = make("pre", pattern=("dense", "banded"), window=3)
    checkpoint.save(tmp_path, model)
    loaded, _ = checkpoint.load(tmp_path)
    assert loaded.config == model.config and same_weights(loaded, model)
    described = json.loads((tmp_path / "config.json").read_text())
    assert described["model_type"] == "gptcore" and described["architectures"] == ["GPT"]
    transformers = pytest.importorskip("transformers")
    with pytest.raises(ValueError, match="gptcore"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path)


def test_saving_refuses_a_tokenizer_that_does_not_fit(tmp_path, tokenizer):
    with pytest.raises(ValueError, match="tokenizer has 280 tokens.*vocab_size=279"):
        checkpoint.save(tmp_path, make(vocab_size=279), tokenizer)


def test_loading_leaves_the_random_numbers_alone(tmp_path):
    checkpoint.save(tmp_path, make())
    before = torch.get_rng_state()
    checkpoint.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "norm, field, value, rule",
    [
        ("pre", "activation_function", "mish", "'gelu_new' or 'gelu_pytorch_tanh'"),
        ("post", "afn", "quick_gelu", "'gelu' or 'relu'"),
        ("pre", "tie_word_embeddings", "no", "True or False"),
        ("pre", "add_cross_attention", True, "False"),
        ("pre", "model_type", "llama", "gpt2, openai-gpt or gptcore"),
        ("pre", "n_head", 3, "must divide d_model=8"),
        ("pre", "vocab_size", "many", "must be an int"),
    ],
)
def test_refuses_what_it_cannot_represent(tmp_path, norm, field, value, rule):
    save_and_edit(tmp_path, make(norm), **{field: value})
    with pytest.raises(ValueError) as error:
        checkpoint.load(tmp_path)
    message = str(error.value)
    assert "config.json" in message and f"{field}={value!r}" in message and rule in message


def test_config_settings_that_mean_the_same_are_accepted(tmp_path):
    model = make()
    same = {"n_inner": 32, "activation_function": "gelu_pytorch_tanh", "layer_norm_epsilon": 1e-5}
    save_and_edit(tmp_path, model, **same, tie_word_embeddings=True)
    assert same_weights(checkpoint.load(tmp_path)[0], model)


def test_different_dropout_rates_become_one_with_a_warning(tmp_path):
    save_and_edit(tmp_path, make(), resid_pdrop=0.2, embd_pdrop=0.0, attn_pdrop=0.1)
    with pytest.warns(UserWarning, match="resid_pdrop=0.2, embd_pdrop=0.0, attn_pdrop=0.1"):
        loaded, _ = checkpoint.load(tmp_path)
    assert loaded.config.dropout == 0.2


def test_a_missing_config_field_is_named(tmp_path):
    path = checkpoint.save(tmp_path, make()) / "config.json"
    described = json.loads(path.read_text())
    del described["n_layer"]
    path.write_text(json.dumps(described))
    with pytest.raises(ValueError, match="'n_layer' is missing"):
        checkpoint.load(tmp_path)
    path.write_text("[1, 2")
    with pytest.raises(ValueError, match="config.json is not a model config"):
        checkpoint.load(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="config.json is absent"):
        checkpoint.load(tmp_path)


def test_a_hub_name_is_fetched_and_its_pytorch_file_only_if_there_is_no_other(
    tmp_path, monkeypatch
):
    hub = pytest.importorskip("huggingface_hub")
    model = make()
    checkpoint.save(tmp_path, model)
    tensors = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    asked = []

    def fetch(name, allow_patterns):
        asked.append((name, allow_patterns))
        if "pytorch_model*.bin" in allow_patterns:
            torch.save(tensors, tmp_path / "pytorch_model.bin")
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    assert same_weights(checkpoint.load("org/some-gpt2")[0], model)
    assert [name for name, _ in asked] == ["org/some-gpt2"] * 2
    assert "pytorch_model*.bin" not in asked[0][1] and "config.json" in asked[0][1]


def test_an_unknown_source_is_a_clear_error(tmp_path):
    pytest.importorskip("huggingface_hub")
    with pytest.raises(FileNotFoundError, match="source='gpt2-nowhere'.*no network"):
        checkpoint.load("gpt2-nowhere")
    for source in (tmp_path / "gone", Path("gone"), "./gone", "a/b/c"):
        with pytest.raises(FileNotFoundError, match="is no folder, nor can it be a Hub name"):
            checkpoint.load(source)


def test_the_older_pair_of_tokenizer_files_is_read_too(tmp_path, tokenizer):
    folder = checkpoint.save(tmp_path, make("post"), tokenizer)
    described = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").unlink()
    vocab = described["model"]["vocab"] | {"<|endoftext|>": tokenizer.eot}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    merges = [m if isinstance(m, str) else " ".join(m) for m in described["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    _, loaded = checkpoint.load(folder)
    assert loaded.encode("the cat sat on 你") == tokenizer.encode("the cat sat on 你")
    assert loaded.eot == tokenizer.eot
    (folder / "merges.txt").unlink()
    assert checkpoint.load(folder)[1] is None


@pytest.mark.parametrize("field", [1, [1, 0], "special"])
def test_a_model_of_another_end_of_text_stops_there_and_comes_back(tmp_path, field):
    """Told by config.json, by a list in it, or by the tokenizer; saved again, it is still told."""
    from gptcore import generate
    from gptcore.tokenizer import Tokenizer

    own = Tokenizer.train(TEXT, 280, specials=("<s>", "</s>"))
    model = make(vocab_size=280, n_ctx=300)
    with torch.no_grad():
        model.wte.weight.mul_(0.01)  # all tokens about equally likely
    checkpoint.save(tmp_path, model, own)
    if field != "special":
        ids = [own.specials[t] for t in ("<s>", "</s>")]
        wanted = [ids[i] for i in field] if isinstance(field, list) else ids[field]
        path = tmp_path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": wanted}))
    else:
        (tmp_path / "special_tokens_map.json").write_text(json.dumps({"eos_token": "</s>"}))
    loaded, tokenizer = checkpoint.load(tmp_path)
    assert tokenizer.eot == own.specials["</s>"]
    text = [generate(loaded, tokenizer, "a cat", max_new_tokens=280, seed=s) for s in range(4)]
    assert not any("</s>" in t for t in text) and any(len(tokenizer.encode(t)) < 270 for t in text)
    checkpoint.save(tmp_path / "again", loaded, tokenizer)
    assert checkpoint.load(tmp_path / "again")[1] == tokenizer
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    assert theirs.eos_token == "</s>"
