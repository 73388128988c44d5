"""Other people's tokenizer folders: every fact is honoured as transformers does it, or refused.

The oracle is `tokenizers` and transformers' AutoTokenizer, where they are installed.
"""

import json
import random

import pytest

from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.added import Added

TEXT = "one day a fox ran home and the fox said: a day at home, he and she there. " * 3
TEXT += "the other day they went over to the others in their house and were heard laughing. " * 3
SAMPLES = [
    "a kraken came",
    "the  kraken\n",
    "<|user|>hi [PAD]  there</s> he",
    "krakens xkraken",
    "",
]
END = "<|endoftext|>"


@pytest.fixture(scope="module")
def base() -> Tokenizer:
    return Tokenizer.train(TEXT, 290)


def token(content, i, **manners):
    usual = dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    return {"id": i, "content": content, **usual, "normalized": True, "special": False} | manners


def pair(folder, tokenizer, **files):
    """vocab.json and merges.txt, as slow tokenizers save, and JSON files beside them."""
    vocab = {tokenizer.token_str(i): i for i in range(tokenizer.vocab_size)}
    lines = "".join(f"{a} {b}\n" for a, b in tokenizer.merges)
    (folder / "merges.txt").write_text("#version: 0.2\n" + lines, encoding="utf-8")
    return write(folder, vocab=vocab, **files)


def single(folder, tokenizer, added=(), edit=None, **files):
    """A tokenizer.json with more added tokens, and JSON files beside it."""
    tokenizer.save(folder)
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    content["added_tokens"] += added
    if edit:
        edit(content)
    return write(folder, tokenizer=content, **files)


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def theirs(folder):
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(folder)


FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
GPT2 = {"model_type": "gpt2", "vocab_size": 300}


def decoder(i, content, **manners):
    entry = token(content, i, **manners)
    return {str(i): {name: entry[name] for name in entry if name != "id"}}


@pytest.mark.parametrize(
    "form, files",
    [
        (pair, {"added_tokens": {"<|user|>": 290, "kraken": 291}, "config": GPT2}),
        (single, {"added_tokens": {"kraken": 290}, "config": GPT2}),
        (
            pair,
            {
                "added_tokens": {"<|user|>": 290, "kraken": 291, "[PAD]": 292},
                "special_tokens_map": {
                    "eos_token": END,
                    "pad_token": "[PAD]",
                    "additional_special_tokens": ["<|user|>"],
                },
                "config": GPT2,
            },
        ),
        (pair, {"config": GPT2, "special_tokens_map": {"bos_token": "<s>", "eos_token": "</s>"}}),
        (
            single,
            {
                "tokenizer_config": FAST
                | {
                    "added_tokens_decoder": decoder(290, "kraken", lstrip=True, single_word=True)
                    | decoder(291, "[PAD]", rstrip=True, special=True, normalized=False)
                }
            },
        ),
        (
            single,
            {
                "added": [token("kraken", 290)],
                "tokenizer_config": FAST | {"pad_token": "[PAD]", "eos_token": "</s>"},
            },
        ),
        (
            single,
            {
                "added": [token("kraken", 290)],
                "tokenizer_config": FAST
                | {"added_tokens_decoder": decoder(290, "kraken", rstrip=True, special=True)},
            },
        ),
        (
            single,
            {
                "tokenizer_config": FAST,
                "special_tokens_map": {"pad_token": {"content": "[PAD]", "lstrip": True}},
            },
        ),
        (single, {"added": [token("kraken", 290, single_word=True)], "config": GPT2}),
    ],
)
def test_ids_are_those_of_transformers(tmp_path, base, form, files):
    """With special tokens allowed: transformers always reads them in a text."""
    oracle = theirs(form(tmp_path, base, **files))
    ours = Tokenizer.load(tmp_path)
    assert len(oracle) == ours.vocab_size
    for text in SAMPLES:
        assert ours.encode(text, allow_special=True) == oracle.encode(text), text
    again = Tokenizer.load(_saved(ours, tmp_path / "again"))
    assert again == ours and again.fingerprint == ours.fingerprint


def _saved(tokenizer, folder):
    tokenizer.save(folder)
    return folder


def test_ordinary_words_that_were_added_are_read_as_one(tmp_path, base):
    """A word that merges make as well keeps its id, and is found before words are cut."""
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer as Theirs

    single(tmp_path, base, [token("he", base.id_of("he"))])
    oracle, ours = Theirs.from_file(str(tmp_path / "tokenizer.json")), Tokenizer.load(tmp_path)
    for text in ("there he is", "the", "heathen "):
        assert ours.encode(text) == oracle.encode(text).ids != base.encode(text)
        assert ours.decode(ours.encode(text)) == text


def test_special_tokens_stay_text_unless_allowed_and_others_are_always_read(tmp_path, base):
    pair(
        tmp_path,
        base,
        added_tokens={"<|user|>": 290, "kraken": 291},
        special_tokens_map={"additional_special_tokens": ["<|user|>"]},
    )
    ours = Tokenizer.load(tmp_path)
    assert ours.specials == {END: 289, "<|user|>": 290, "kraken": 291}
    assert 290 not in ours.encode("<|user|> kraken") and 291 in ours.encode("<|user|> kraken")
    assert [i for i in ours.encode("<|user|>kraken", allow_special=True)] == [290, 291]
    assert [ids.tolist() for ids in ours.encode_corpus(["a kraken", "x"])] == [
        ours.encode("a kraken"),
        ours.encode("x"),
    ]
    assert ours.decode([290, 291]) == "<|user|>kraken"


def test_manners_are_those_of_tokenizers_on_odd_texts(base):
    """Every mixture of the four manners, on texts made of tokens, spaces and letters."""
    tokenizers = pytest.importorskip("tokenizers")
    names = ["ab", "abc", "<x>", "<x>y", "b", "ü", "_", "c d", "文", "bc"]
    spaces = [
        " ",
        "  ",
        "\t",
        "\n",
        "\u00a0",
        "\u2003",
        "\x1c",
        "\x85",
        "\u200b",
        "\u0301",
        "5",
        "Ⅷ",
    ]
    draw = random.Random(0)
    vocab = {base.token_str(i): i for i in range(256)}
    for _ in range(60):
        hf = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[]))
        hf.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        added = {}
        for name in draw.sample(names, draw.randint(1, 6)):
            flags = {m: draw.random() < 0.4 for m in Added._fields}
            added[name] = Added(**flags)
            add = hf.add_special_tokens if flags.pop("special") else hf.add_tokens
            add([tokenizers.AddedToken(name, special=added[name].special, **flags)])
        specials = {name: hf.token_to_id(name) for name in added}
        only = {n: i for n, i in specials.items() if n not in vocab}
        ours = Tokenizer(vocab, [], specials=only, added=added)
        for _ in range(40):
            text = "".join(draw.choice(names + spaces) for _ in range(draw.randint(0, 10)))
            assert ours.encode(text, allow_special=True) == hf.encode(text).ids, (text, added)


@pytest.mark.parametrize(
    "files, ends, first",
    [
        ({}, [], None),
        ({"config": {"eos_token_id": 290}}, ["</s>"], 290),
        ({"config": {"eos_token_id": [290, 289]}}, ["</s>", "<s>"], 290),
        ({"config": {"eos_token_id": 50256}}, [], None),
        (
            {"config": {"eos_token_id": 50256}, "tokenizer_config": {"eos_token": "<s>"}},
            ["<s>"],
            289,
        ),
        ({"config": {"eos_token_id": 65}, "tokenizer_config": {"eos_token": "</s>"}}, None, 290),
        ({"config": {"eos_token_id": 65}}, ["b"], 65),
        ({"special_tokens_map": {"eos_token": {"content": "</s>"}}}, ["</s>"], 290),
        (
            {"config": {"eos_token_id": 290}, "generation_config": {"eos_token_id": [289, 290]}},
            ["</s>", "<s>"],
            290,
        ),
    ],
)
def test_what_ends_a_text_is_what_the_folder_says(tmp_path, files, ends, first):
    """Written by hand: generation_config over config over the tokenizer's own word."""
    own = Tokenizer.train(TEXT, 291, specials=("<s>", "</s>"))
    loaded = Tokenizer.load(single(tmp_path, own, **files))
    assert loaded.eot == first
    assert ends is None or list(loaded.ends) == ends


def test_a_token_without_a_row_is_left_out_and_told(tmp_path, base):
    """transformers gives it an id behind the model's last row, where an index error waits."""
    single(tmp_path, base, config={"vocab_size": 290}, tokenizer_config={"pad_token": "[PAD]"})
    with pytest.warns(UserWarning, match=r"'\[PAD\]', which is in no vocabulary.*290 rows"):
        assert Tokenizer.load(tmp_path).vocab_size == 290


TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": END, "type_id": 0}}]}


@pytest.mark.parametrize(
    "how, message",
    [
        ({"tokenizer_config": {"add_bos_token": True}}, "add_bos_token=True"),
        ({"tokenizer_config": {"add_prefix_space": True}}, "add_prefix_space=True"),
        ({"edit": lambda c: c.update(post_processor=TEMPLATE)}, "post_processor='TemplateProcess"),
        (
            {
                "edit": lambda c: c.update(
                    post_processor={"type": "Sequence", "processors": [TEMPLATE]}
                )
            },
            "post_processor='TemplateProcess",
        ),
        ({"edit": lambda c: c["model"].update(dropout=0.1)}, "model.dropout=0.1"),
        ({"edit": lambda c: c.update(decoder={"type": "WordPiece"})}, "decoder='WordPiece'"),
        ({"edit": lambda c: c.update(normalizer={"type": "NFC"})}, "normalizer='NFC'"),
        (
            {"added": [token("kraken", 295)]},
            "token 'kraken' has id 295, which must be one of 0..290",
        ),
        ({"added_tokens": {"kraken": 300}}, "token 'kraken' has id 300"),
        ({"added_tokens": {END: 290}}, r"token '<\|endoftext\|>' has two ids, 290 and 289"),
        (
            {"tokenizer_config": {"added_tokens_decoder": {"290": {}}}},
            "added_tokens_decoder: KeyErr",
        ),
        ({"tokenizer_config": []}, "tokenizer_config.json must be an object"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(tmp_path, base, how, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer.load(single(tmp_path, base, **how))


def test_a_word_level_tokenizer_does_not_look_for_tokens_in_lower_case_text(tmp_path):
    own = Tokenizer.train(TEXT, 60, kind="word", splitter="plain")
    n = own.vocab_size
    with pytest.raises(ValueError, match="'Kraken': normalized=True must be False for kind='word'"):
        Tokenizer.load(single(tmp_path, own, [token("Kraken", n)]))
    tokenizer = Tokenizer.load(single(tmp_path, own, [token("Kraken", n, normalized=False)]))
    assert n in tokenizer.encode("a Kraken came") and n not in tokenizer.encode("a kraken came")


@pytest.mark.parametrize("crlf", [True, False])
@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("head", ["#version: 0.2\n", ""])
@pytest.mark.parametrize("tail", ["", "\n", "\n\n"])
def test_merges_of_any_system_are_read(tmp_path, base, crlf, mark, head, tail):
    pair(tmp_path, base)
    lines = head + "\n".join(f"{a} {b}" for a, b in base.merges) + tail
    data = mark + lines.replace("\n", "\r\n" if crlf else "\n").encode()
    (tmp_path / "merges.txt").write_bytes(data)
    (tmp_path / "vocab.json").write_bytes(mark + (tmp_path / "vocab.json").read_bytes())
    assert Tokenizer.load(tmp_path) == base


@pytest.mark.parametrize("unknown", [None, "<unk>"])
def test_a_vocabulary_of_the_bytes_of_its_text_alone_is_read(tmp_path, unknown):
    """Bytes it lacks: left out where there is no unknown token, as `tokenizers` does."""
    tokenizers = pytest.importorskip("tokenizers")
    hf = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=unknown))
    hf.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    hf.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=60, special_tokens=[*([unknown] if unknown else []), END], show_progress=False
    )
    hf.train_from_iterator([TEXT], trainer)
    hf.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.load(tmp_path)
    for text in ("a fox said", "the day at home"):
        assert ours.encode(text) == hf.encode(text).ids and ours.decode(ours.encode(text)) == text
    odd = ["a foéx", "Zfox", "fZox Z", "ééé"]
    if unknown:
        assert [ours.encode(text) for text in odd] == [hf.encode(text).ids for text in odd]
    else:
        with pytest.warns(UserWarning, match="' foéx' has bytes.*no token for.*left out"):
            assert [ours.encode(text) for text in odd] == [hf.encode(text).ids for text in odd]
    again = Tokenizer.load(_saved(ours, tmp_path / "again"))
    assert again == ours and [a.tolist() for a in again.encode_corpus(["a fox"])] == [
        hf.encode("a fox").ids
    ]


def test_older_fingerprints_stay():
    """Streams and runs on disk name their tokenizer by it. The digest is that of version 0.1.0."""
    own = Tokenizer.train("low low lower", 262)
    assert own.fingerprint.startswith(FINGERPRINT)


FINGERPRINT = "7f1bb7dda5b33124"
