"""Networks of others: what ours can be made to compute gives their logits, the rest is named.

The oracle is transformers: its own classes with random weights, saved by its own `save_pretrained`.
"""

import json

import pytest
import torch
from layouts import publish, published, published_config, release_like_openai
from safetensors.torch import save_file
from small_models import ids_for, make, same_weights

from gptcore import checkpoint
from gptcore.checkpoint.forms import ACTIVATIONS
from gptcore.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")
SHAPE = {"vocab_size": 300, "n_positions": 16, "n_embd": 8, "n_layer": 3, "n_head": 2}
IDS = torch.randint(300, (2, 16), generator=torch.Generator().manual_seed(1))


def theirs(kind="GPT2", **settings):
    """A network of transformers' with every number random, so that no setting goes unnoticed."""
    config = getattr(transformers, f"{kind}Config")(**SHAPE, **settings)
    model = getattr(transformers, f"{kind}LMHeadModel")(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.4)
    return model


def edit(folder, **changes):
    path = folder / "config.json"
    described = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in described.items() if v != "absent"}))


# ---------------------------------------------------------------- what is computed

SETTINGS = [{"activation_function": name} for name in ACTIVATIONS["gpt2"]]
SETTINGS += [
    {"n_inner": 20},
    {"n_inner": 50, "activation_function": "relu"},
    {"layer_norm_epsilon": 0.1},
    {"scale_attn_weights": False},
    {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True},
    {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True},
    {"tie_word_embeddings": False, "activation_function": "silu", "layer_norm_epsilon": 0.01},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@torch.no_grad()
def test_a_gpt2_of_others_gives_their_logits_and_is_saved_as_one(tmp_path, settings):
    model = theirs(**settings)
    expected = model(IDS).logits
    model.save_pretrained(tmp_path / "theirs")
    ours, _ = checkpoint.load(tmp_path / "theirs")
    torch.testing.assert_close(ours(IDS), expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.5
    checkpoint.save(tmp_path / "ours", ours)
    again, report = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert type(again) is transformers.GPT2LMHeadModel and not any(report.values()), report
    torch.testing.assert_close(again.eval()(IDS).logits, expected, atol=1e-4, rtol=0)
    assert same_weights(checkpoint.load(tmp_path / "ours")[0], ours)


@pytest.mark.parametrize("settings", SETTINGS[-7:], ids=str)
@torch.no_grad()
def test_each_setting_is_seen_in_the_logits(tmp_path, settings):
    """Negative control: left out of config.json, the same weights give others, or do not fit."""
    model = theirs(**settings)
    model.save_pretrained(tmp_path)
    edit(tmp_path, **dict.fromkeys(settings, "absent"))
    if "n_inner" in settings:
        with pytest.raises(ValueError, match=r"mlp.c_fc.weight has shape .*expected \(8, 32\)"):
            checkpoint.load(tmp_path)
    elif "tie_word_embeddings" in settings:
        with pytest.warns(UserWarning, match="lm_head.weight differs"):
            ours, _ = checkpoint.load(tmp_path)
    else:
        ours, _ = checkpoint.load(tmp_path)
    if "n_inner" not in settings:
        assert (ours(IDS) - model(IDS).logits).abs().max() > 0.01


@pytest.mark.parametrize(
    "settings",
    [{"afn": name} for name in ACTIVATIONS["openai-gpt"]] + [{"layer_norm_epsilon": 0.1}],
    ids=str,
)
@torch.no_grad()
def test_a_gpt1_of_others_gives_their_logits(tmp_path, settings):
    model = theirs("OpenAIGPT", **settings)
    model.save_pretrained(tmp_path)
    ours, _ = checkpoint.load(tmp_path)
    torch.testing.assert_close(ours(IDS), model(IDS).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_what_an_activation_is_called_differs_between_the_two(norm):
    """In transformers' GPT-1 "gelu" is the tanh form, in its GPT-2 the exact one."""
    names = ACTIVATIONS["openai-gpt" if norm == "post" else "gpt2"]
    assert names["gelu"] == {"post": "gelu_tanh", "pre": "gelu_erf"}[norm]
    x = torch.linspace(-4, 4, 9)
    ours = make(norm, activation=names["gelu"]).h[0].mlp.activation(x)
    tanh = 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))
    exact = 0.5 * x * (1 + torch.erf(x / 2**0.5))
    torch.testing.assert_close(ours, {"post": tanh, "pre": exact}[norm], atol=1e-6, rtol=0)


@pytest.mark.parametrize("changes", [{"activation": "gelu_erf"}, {"n_inner": 20}], ids=str)
def test_what_transformers_has_no_word_for_is_not_taken_for_something_else(tmp_path, changes):
    """GPT-1's class there knows neither: it would load the weights and compute other logits."""
    model = make("post", **changes)
    checkpoint.save(tmp_path, model)
    found, _ = checkpoint.load(tmp_path)
    assert found.config == model.config and same_weights(found, model)
    with pytest.raises(ValueError, match="model type `gptcore`"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    gpt2 = make(**changes)  # whose class knows both
    checkpoint.save(tmp_path / "pre", gpt2)
    assert json.loads((tmp_path / "pre" / "config.json").read_text())["model_type"] == "gpt2"
    assert checkpoint.load(tmp_path / "pre")[0].config == gpt2.config


@torch.no_grad()
def test_a_file_in_half_precision_is_folded_in_full(tmp_path):
    """Queries divided by 3 in bf16 would be rounded anew; they are not."""
    model = theirs(scale_attn_by_inverse_layer_idx=True).bfloat16()
    model.save_pretrained(tmp_path)
    ours, _ = checkpoint.load(tmp_path)
    assert ours.wte.weight.dtype == torch.float32
    kernel = model.transformer.h[2].attn.c_attn.weight.float()  # (in, out)
    torch.testing.assert_close(
        ours.h[2].attn.c_attn.weight[:8], kernel.T[:8] / 3, atol=1e-6, rtol=0
    )
    assert torch.equal(ours.h[2].attn.c_attn.weight[8:], kernel.T[8:])
    torch.testing.assert_close(ours(IDS), model.float()(IDS).logits, atol=1e-4, rtol=0)
    assert checkpoint.load(tmp_path, dtype=torch.bfloat16)[0].h[1].attn.c_attn.bias.dtype == (
        torch.bfloat16
    )


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"activation_function": "mish"}, "activation_function='mish' must be 'gelu_new' or"),
        ({"activation_function": ["gelu"]}, r"activation_function=\['gelu'\] must be"),
        ({"add_cross_attention": True}, "add_cross_attention=True must be False"),
        ({"is_encoder_decoder": True}, "is_encoder_decoder=True must be False"),
        ({"pruned_heads": {"0": [1]}}, r"pruned_heads={'0': \[1\]} must be"),
        ({"quantization_config": {"bits": 4}}, r"quantization_config={'bits': 4} must be None"),
        ({"auto_map": {"AutoModelForCausalLM": "own.Net"}}, "auto_map=.*own.Net.*not run here"),
        ({"n_inner": "wide"}, "n_inner='wide' must be an int or None"),
        ({"n_inner": 0}, "n_inner=0 must be at least 1"),
        ({"layer_norm_epsilon": "small"}, "ln_eps='small' must be a number"),
        ({"layer_norm_epsilon": -1}, r"ln_eps=-1 must be in \[0, 1\)"),
        ({"model_type": "gptj"}, "model_type='gptj' must be gpt2.*rotary positions"),
        ({"model_type": "gpt_neox"}, "model_type='gpt_neox' must be gpt2.*rotary positions"),
        ({"model_type": "gpt_bigcode"}, "model_type='gpt_bigcode'.*one key and value for all"),
        ({"model_type": "mamba"}, "model_type='mamba' must be gpt2, openai-gpt or gptcore"),
        ({"model_type": "absent", "architectures": ["T5Model"]}, "model_type=None must be gpt2"),
    ],
    ids=str,
)
def test_what_cannot_be_computed_is_named_before_a_weight_is_read(tmp_path, changes, message):
    publish(tmp_path, make())
    edit(tmp_path, **changes)
    (tmp_path / "model.safetensors").write_bytes(b"never opened")
    with pytest.raises(ValueError, match=message) as error:
        checkpoint.load(tmp_path)
    assert str(tmp_path / "config.json") in str(error.value)


@pytest.mark.parametrize(("name", "cls"), [("post", "OpenAIGPT"), ("pre", "GPT2")])
def test_an_old_config_names_only_a_class(tmp_path, name, cls):
    publish(tmp_path, make(name))
    edit(tmp_path, model_type="absent", architectures=[f"{cls}LMHeadModel"])
    assert same_weights(checkpoint.load(tmp_path)[0], make(name))


# ---------------------------------------------------------------- rows


@torch.no_grad()
def test_rows_beyond_the_vocabulary_are_kept_and_never_written(tmp_path):
    """nanoGPT's 50,304 rows for 50,257 tokens, at a small scale; the softmax knows all rows."""
    from gptcore import generate

    model = theirs()
    model.save_pretrained(tmp_path)
    tokenizer = Tokenizer.train("the cat sat on the mat. " * 9, 270)
    tokenizer.save(tmp_path / "tokenizer.json")
    edit(tmp_path, vocab_size=296)
    with pytest.warns(UserWarning, match="has 300 rows, more than vocab_size=296") as told:
        ours, read = checkpoint.load(tmp_path)
    assert told[0].filename == __file__
    torch.testing.assert_close(ours(IDS), model(IDS).logits, atol=1e-4, rtol=0)
    assert ours.config.vocab_size == 300 and read.vocab_size == 269
    ours.wte.weight[269:] *= 50  # the rows without a token have the largest logits
    assert generate(ours, read, "the", max_new_tokens=8, temperature=0, stop=None)
    edit(tmp_path, vocab_size=301)
    with pytest.raises(ValueError, match=r"wte.weight has shape \(300, 8\); expected \(301, 8\)"):
        checkpoint.load(tmp_path)


# ---------------------------------------------------------------- folders around a model


def test_the_snapshot_that_the_hubs_cache_calls_main_is_read(tmp_path):
    for seed, name in enumerate(("0a1b", "2c3d")):
        (tmp_path / "snapshots").mkdir(exist_ok=True)
        publish(tmp_path / "snapshots" / name, make(seed=seed))
    (tmp_path / "refs").mkdir()
    (tmp_path / "refs" / "main").write_text("2c3d\n")
    assert same_weights(checkpoint.load(tmp_path)[0], make(seed=1))
    (tmp_path / "refs" / "main").unlink()
    with pytest.raises(FileNotFoundError, match="several models; give one of snapshots.0a1b, snap"):
        checkpoint.load(tmp_path)


def test_the_only_model_in_a_folder_is_read_and_of_several_none(tmp_path):
    """As transformers' Trainer leaves them; a config.json without weights is something else."""
    publish(tmp_path / "checkpoint-500", make())
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "config.json").write_text("{}")
    publish(tmp_path / "checkpoint-500" / ".writing-x", make(seed=2))
    assert same_weights(checkpoint.load(tmp_path)[0], make())
    publish(tmp_path / "checkpoint-1000", make(seed=1))
    with pytest.raises(FileNotFoundError, match="one of checkpoint-1000, checkpoint-500, which"):
        checkpoint.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="model.safetensors' is a file; give its folder"):
        checkpoint.load(tmp_path / "checkpoint-500" / "model.safetensors")


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_shards_whose_index_is_lost_are_counted_by_name(tmp_path, ending):
    model, stem = make(), {"safetensors": "model", "bin": "pytorch_model"}[ending]
    tensors = list(published(model).items())
    (tmp_path / "config.json").write_text(json.dumps(published_config(model)))
    names = [tmp_path / f"{stem}-0000{i}-of-00003.{ending}" for i in (1, 2, 3)]
    for i, name in enumerate(names):
        (save_file if ending == "safetensors" else torch.save)(dict(tensors[i::3]), name)
    assert same_weights(checkpoint.load(tmp_path)[0], model)
    names[1].unlink()
    with pytest.raises(FileNotFoundError, match="has no index, and shard 2 of 3 is absent"):
        checkpoint.load(tmp_path)


@torch.no_grad()
def test_shards_in_bf16_as_transformers_writes_them(tmp_path):
    model = theirs().bfloat16()
    model.save_pretrained(tmp_path, max_shard_size="2KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    ours, _ = checkpoint.load(tmp_path)
    torch.testing.assert_close(ours(IDS), model.float()(IDS).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("nest", ["state_dict", "model", "module", "model_state_dict"])
def test_a_model_beside_its_optimizer_is_found(tmp_path, nest):
    """As Lightning, nanoGPT and DeepSpeed keep them."""
    (tmp_path / "config.json").write_text(json.dumps(published_config(make())))
    tensors = {f"_orig_mod.{name}": t for name, t in published(make()).items()}
    torch.save({nest: tensors, "epoch": 3, "optimizer": {}}, tmp_path / "pytorch_model.bin")
    assert same_weights(checkpoint.load(tmp_path)[0], make())


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("adapter_model.safetensors", "an adapter alone; merge it into its model first"),
        ("tf_model.h5", r"It holds tf_model\.h5: read that with the program it is from"),
        ("model.fp16.safetensors", r"It holds model\.fp16\.safetensors: .*model\.safetensors"),
        ("README.md", r"whole or in shards$"),
    ],
)
def test_what_a_folder_holds_instead_of_weights_is_told(tmp_path, file, message):
    (tmp_path / "config.json").write_text(json.dumps(published_config(make())))
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=message):
        checkpoint.load(tmp_path)


def test_tensorflows_checkpoint_says_where_else_the_weights_are(tmp_path):
    (tmp_path / "model.ckpt.index").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match="TensorFlow's; the Hugging Face Hub has OpenAI's"):
        checkpoint.load(tmp_path)


def test_openais_own_folder_is_a_folder(tmp_path):
    """`load` reads GPT-1 as released, with the vocabulary beside it, if that is there."""
    model = make("post", d_model=64, n_head=1)
    release_like_openai(tmp_path, model)
    found, tokenizer = checkpoint.load(tmp_path, dtype=torch.float64)
    assert tokenizer is None and found.wte.weight.dtype == torch.float64 and not found.training
    torch.testing.assert_close(found.float()(ids_for(model)), model(ids_for(model)))
    letters = ["<unk>", "a", "b", "a</w>", "b</w>", "ab</w>"]
    vocab = {token: i for i, token in enumerate(letters)}
    (tmp_path / "encoder_bpe_40000.json").write_text(json.dumps(vocab))
    (tmp_path / "vocab_40000.bpe").write_text("#version: 0.2\na b</w>\n")
    assert checkpoint.load(tmp_path)[1].encode("ab") == [5]
    publish(tmp_path, make("post", seed=3))
    assert same_weights(checkpoint.load(tmp_path)[0], make("post", seed=3))
