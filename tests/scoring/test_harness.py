"""lm-evaluation-harness on our models: its rules, its numbers, and those of its own adapter."""

import importlib
import json
import math
import os
import sys

import pytest
from bigrams import LANGUAGE, WORDS, bigram
from small_models import make

pytest.importorskip("lm_eval", reason="lm_eval is not installed: pip install -e '.[harness]'")

from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager

from gptcore import checkpoint, datasets, load
from gptcore.scoring.asking import ask
from gptcore.scoring.harness import Harness
from gptcore.scoring.task_list import known
from gptcore.tokenizer import Tokenizer

mirrored = pytest.mark.skipif(
    "GPTCORE_DATA_MIRROR" not in os.environ,
    reason="GPTCORE_DATA_MIRROR is not set: real data are absent",
)
N = 60


def requests(kind, *arguments):
    return [Instance(kind, {}, args, i) for i, args in enumerate(arguments)]


def likely(harness, *pairs):
    return harness.loglikelihood(requests("loglikelihood", *pairs), disable_tqdm=True)


# ------------------------------------------------------------------ by hand, and the traps


def test_likelihoods_by_hand():
    """After b: a .3, the likeliest; ab, one token, .16; after nothing a .4."""
    found = likely(Harness(bigram(LANGUAGE), WORDS), ("b", "a"), ("b", "ab"), ("", "a"))
    assert [greedy for _, greedy in found] == [True, False, True]
    assert [math.exp(value) for value, _ in found] == pytest.approx([0.3, 0.16, 0.4], abs=1e-4)


def test_trailing_spaces_move_to_the_continuation():
    """b, space, a: .19 · .25, whichever side the space is written on."""
    harness = Harness(bigram(LANGUAGE), WORDS)
    (one,), (other,) = likely(harness, ("b ", "a")), likely(harness, ("b", " a"))
    assert one == other
    assert math.exp(one[0]) == pytest.approx(0.19 * 0.25, abs=1e-4)


def test_the_joined_text_is_tokenized_again():
    """a and b join to one token: after b .16, where a given and b after it would be .25."""
    harness = Harness(bigram(LANGUAGE), WORDS)
    (found,) = likely(harness, ("ba", "b"))
    assert math.exp(found[0]) == pytest.approx(0.16, abs=1e-4)


def test_an_empty_context_becomes_end_of_text():
    harness = Harness(bigram(LANGUAGE), WORDS)
    written_out = likely(harness, ("<|endoftext|>", "a"))
    assert likely(harness, ("", "a")) == written_out == likely(harness, ("", "<|endoftext|>a"))
    (spaces,) = likely(harness, (" ", "a"))  # the harness's own rule ends here without a context
    assert math.exp(spaces[0]) == pytest.approx(0.1 * 0.25, abs=1e-4)


def test_long_contexts_lose_their_beginning_and_are_counted():
    harness = Harness(bigram(LANGUAGE, n_ctx=4), WORDS)
    likely(harness, ("b" * 4, "a"), ("b" * 5, "a"), ("b" * 9, "bb"))
    assert harness.n_cut == 2
    harness.generate_until(
        requests("generate_until", ("b" * 4, {"max_gen_toks": 2})), disable_tqdm=True
    )
    assert harness.n_cut == 3


def test_whole_texts_by_hand():
    """<end> b a a: .1 · .3 · .5, in one window and in three."""
    for n_ctx in (2, 8):
        harness = Harness(bigram(LANGUAGE, n_ctx), WORDS)
        asked = requests("loglikelihood_rolling", ("baa",), ("b",))
        found = harness.loglikelihood_rolling(asked, disable_tqdm=True)
        assert [math.exp(value) for value in found] == pytest.approx([0.015, 0.1], abs=1e-4)


def test_generation_arguments():
    """After b the model writes aaaa and so on; what cannot be done is refused."""
    harness = Harness(bigram(LANGUAGE), WORDS, max_gen_toks=3)

    def write(**kwargs):
        asked = requests("generate_until", ("b", kwargs), ("bb", {"until": []}))
        return harness.generate_until(asked, disable_tqdm=True)[0]

    assert write() == "aaa"
    assert write(max_gen_toks=2, until=["<|im_end|>", ""]) == "aa"
    assert write(until="aa") == ""
    assert write(do_sample=False, temperature=1.0) == "aaa"
    assert len({write(temperature=5.0, seed=seed) for seed in range(4)}) > 1
    for wrong in ({"num_beams": 4}, {"typical_p": 0.5}):
        with pytest.raises(ValueError, match=f"generation_kwargs has {next(iter(wrong))}"):
            write(**wrong)


def test_a_model_without_a_tokenizer_is_refused():
    with pytest.raises(ValueError, match="tokenizer=None"):
        Harness(bigram(LANGUAGE), None)


def test_without_the_harness_the_line_to_type_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", None)
    monkeypatch.delitem(sys.modules, "gptcore.scoring.harness")
    with pytest.raises(ImportError, match="lm_eval is not installed.*'harness' names: pip"):
        importlib.import_module("gptcore.scoring.harness")


# ------------------------------------------------------------------ the same numbers


def evaluated(tmp_path, model, config, rows):
    """A task of the harness's own format, from a local file."""
    file = tmp_path / f"{config['task']}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    local = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}, "cache_dir": str(tmp_path / "hf")},
        "test_split": "test",
        "num_fewshot": 0,
    }
    manager = TaskManager(include_defaults=False)
    found = simple_evaluate(
        model=model, tasks=[{**local, **config}], task_manager=manager, bootstrap_iters=0
    )
    return found["results"][config["task"]]


def accuracies(*names):
    return [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names]


@mirrored
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("paradigm", ["anaphor_gender_agreement"])
def test_blimp_is_the_same_to_the_last_decimal(tmp_path, paradigm):
    """The harness's own task file, but for where the rows lie."""
    model, tokenizer = load("tales-gpt1")
    config = {
        "task": f"blimp_{paradigm}",
        "output_type": "multiple_choice",
        "doc_to_text": "",
        "doc_to_target": 0,
        "doc_to_choice": "{{[good, bad]}}",
        "metric_list": accuracies("acc", "acc_norm"),
    }
    rows = datasets.load("blimp", paradigm)[:N]
    theirs = evaluated(tmp_path, Harness(model, tokenizer), config, rows)
    ours = ask(model, tokenizer, *known(f"blimp:{paradigm}", N))
    assert theirs["acc,none"] == ours.scores["none"]
    assert theirs["acc_norm,none"] == ours.scores["character"]
    assert 0.2 < ours.scores["none"] < 1


@mirrored
@pytest.mark.filterwarnings("ignore")
def test_codah_is_the_same_to_the_last_decimal(tmp_path):
    model, tokenizer = load("tales-gpt1")
    config = {
        "task": "codah",
        "output_type": "multiple_choice",
        "doc_to_text": "{{text}}",
        "doc_to_target": "label",
        "doc_to_choice": "choices",
        "metric_list": accuracies("acc", "acc_norm", "acc_mutual_info"),
    }
    theirs = evaluated(tmp_path, Harness(model, tokenizer), config, datasets.load("codah")[:N])
    ours = ask(model, tokenizer, *known("codah", N))
    names = {"none": "acc", "character": "acc_norm", "unconditional": "acc_mutual_info"}
    assert {norm: theirs[f"{name},none"] for norm, name in names.items()} == {
        norm: ours.scores[norm] for norm in names
    }
    assert len(set(ours.scores.values())) > 1


def test_numbers_are_those_of_the_harness_own_adapter(tmp_path):
    """`HFLM` on the same weights in transformers: pairs, whole texts, and what is written."""
    transformers = pytest.importorskip("transformers")
    from lm_eval.models.huggingface import HFLM

    tokenizer = Tokenizer.train("some words and some more words, and the rest of them", 290)
    model = make("pre", vocab_size=tokenizer.vocab_size, n_ctx=24)
    checkpoint.save(tmp_path / "model", model, tokenizer)
    theirs = HFLM(
        pretrained=transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model"),
        tokenizer=transformers.AutoTokenizer.from_pretrained(tmp_path / "model"),
        device="cpu",
        batch_size=2,
    )
    ours = Harness(model, tokenizer)
    long = "some more words and " * 12
    pairs = [
        ("some", " words"),
        ("", "the rest"),
        ("and ", "some more"),
        (long, "the rest of them"),
    ]
    for one, other in zip(likely(ours, *pairs), likely(theirs, *pairs), strict=True):
        assert one[0] == pytest.approx(other[0], abs=1e-3) and one[1] == other[1]
    asked = requests("loglikelihood_rolling", (long,), ("words",))
    assert ours.loglikelihood_rolling(asked, disable_tqdm=True) == pytest.approx(
        theirs.loglikelihood_rolling(asked, disable_tqdm=True), abs=1e-2
    )
    course = {"until": ["of", "\n"], "max_gen_toks": 8, "do_sample": False}
    asked = requests("generate_until", *((text, course) for text in ("some", "and the", long)))
    assert ours.generate_until(asked, disable_tqdm=True) == theirs.generate_until(
        asked, disable_tqdm=True
    )
