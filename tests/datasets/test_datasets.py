"""`datasets` as a reader uses it; and every real set against what its manifest says of it.

The counts are the manifest's; sums and label counts were taken from the files with cut, awk, sort
and uniq. Of sets that may only be read at run time, hashes stand here in place of texts.
"""

import hashlib
import os
from collections import Counter

import pytest
from data_server import alone, left_in, publishing, tiny_set

from gptcore import datasets
from gptcore.datasets import store
from gptcore.datasets.parse import PARSERS

MIRROR = os.environ.get(store.MIRROR)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No mirror, an empty cache, and a network whose hosts are known not to answer."""
    cache = alone(monkeypatch, tmp_path)
    monkeypatch.setattr(store, "_no_network", lambda url: "there is none")
    return cache


# ---------------------------------------------------------------- names and parts


def test_unknown_names_are_answered_with_the_nearest(offline):
    for call in (datasets.load, datasets.fetch, datasets.parts, datasets.place, datasets.optional):
        with pytest.raises(ValueError) as caught:
            call("tinyshakespear")
        message = str(caught.value)
        assert "name='tinyshakespear' is no data set; did you mean 'tinyshakespeare'?" in message
        assert "There are 28: tinyshakespeare, gpt2-bpe, " in message
    with pytest.raises(ValueError, match="name='gpt9-bpe' is no data set"):
        datasets.tokenizer("gpt9")
    with pytest.raises(ValueError, match=r"name='xyzzy' is no data set; There are 28"):
        datasets.load("xyzzy")


def test_unknown_parts_are_answered_before_anything_is_fetched(offline):
    for call in (datasets.load, datasets.optional):
        with pytest.raises(
            ValueError, match=r"split='tets' is no part of sst2; did you mean 'test'"
        ):
            call("sst2", "tets")
    with pytest.raises(ValueError, match=r"There are 6: 2013.headlines, .*2012.SMTeuroparl$"):
        datasets.load("sts-genres", "xyzzy")
    with pytest.raises(ValueError, match="split='train': gpt2-bpe has files and no parts"):
        datasets.load("gpt2-bpe", "train")


def test_parts_are_known_without_the_bytes_where_files_name_them(offline):
    assert datasets.parts("gsm8k") == ("train", "test")
    assert datasets.parts("sick") == ("train", "trial")
    assert datasets.parts("tinyshakespeare") == ("all",)
    assert datasets.parts("gpt2-bpe") == ()
    assert set(PARSERS) | {"gpt1-bpe", "gpt2-bpe"} == set(datasets.SETS)


def test_one_part_alone_all_parts_as_a_dict_and_only_what_is_needed(monkeypatch, tmp_path):
    cache = alone(monkeypatch, tmp_path)
    with publishing() as publisher:
        publisher.files = {"/a.txt": b"one", "/b.txt": b"two"}
        tiny_set(monkeypatch, publisher.address, {"a.txt": b"one", "b.txt": b"two"})
        assert datasets.load("tiny", "b") == "two"
        assert left_in(cache) == ["tiny/b.txt"]
        assert datasets.place("tiny") == ""
        assert datasets.load("tiny") == {"a": "one", "b": "two"}
        assert datasets.place("tiny") == "cache"
        assert datasets.fetch("tiny") == {n: cache / "tiny" / n for n in ("a.txt", "b.txt")}
        assert publisher.gets() == ["/b.txt", "/a.txt"]
        tiny_set(monkeypatch, publisher.address, {"a.txt": b"one"}, "single")
        assert datasets.load("single") == "one"
        assert datasets.optional("single") == "one"


# ---------------------------------------------------------------- what is not there


def test_optional_prints_what_to_do_and_goes_on(offline, capsys):
    """The same words everywhere: no folder, no reason, nothing of this machine."""
    assert datasets.optional("udhr") is None
    assert datasets.optional("gpt2-bpe") is None
    assert datasets.optional("sst2", "test") is None
    assert capsys.readouterr() == (
        "The data set udhr (1.7 MB) is not here, so this part is left out. "
        "To get it: gptcore data fetch udhr\n"
        "The data set gpt2-bpe (1.5 MB) is not here, so this part is left out. "
        "To get it: gptcore data fetch gpt2-bpe\n"
        "The data set sst2 (1.0 MB) is not here, so this part is left out. "
        "To get it: gptcore data fetch sst2\n",
        "",
    )
    with pytest.raises(datasets.DataUnavailable, match=r"udhr2.zip \(1,653,975 bytes\) cannot be"):
        datasets.load("udhr")
    assert left_in(offline.parent.parent) == []


def test_optional_does_not_hide_a_tampered_mirror(offline, monkeypatch, tmp_path):
    (tmp_path / "mirror" / "udhr").mkdir(parents=True)
    (tmp_path / "mirror" / "udhr" / "udhr2.zip").write_bytes(b"PK")
    monkeypatch.setenv(store.MIRROR, str(tmp_path / "mirror"))
    with pytest.raises(ValueError, match=r"udhr2.zip is damaged or was changed"):
        datasets.optional("udhr")


# ---------------------------------------------------------------- the real sets


@pytest.fixture
def real(monkeypatch, tmp_path):
    if not MIRROR:
        pytest.skip("GPTCORE_DATA_MIRROR is not set: the real data are absent")
    alone(monkeypatch, tmp_path)
    monkeypatch.setenv(store.MIRROR, MIRROR)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


COUNTS = {
    "tinystories-sample": 2317,
    "lambada": 5153,
    "sst2": {"train": 6920, "dev": 872, "test": 1821},
    "sentence-polarity": 2 * 5331,
    "movie-reviews": 2 * 1000,
    "pros-cons": 22940 + 22935,
    "subjectivity": 2 * 5000,
    "cola": {"in_domain_train": 8551, "in_domain_dev": 527, "out_of_domain_dev": 516},
    "rte": {"rte1_dev": 567, "rte1_test": 800, "rte2_dev": 400}
    | {"rte2_test": 800, "rte3_dev": 800, "rte3_test": 800},
    "sick": {"train": 4500, "trial": 500},
    "sts-genres": {"2013.headlines": 750, "2014.headlines": 750, "2014.images": 750}
    | {"2013.OnWN": 561, "2014.OnWN": 750, "2012.SMTeuroparl": 734},
    "codah": 2776,
    "clinc-oos": {"train": 15000, "val": 3000, "test": 4500, "oos_train": 100, "oos_val": 100}
    | {"oos_test": 1000, "small_train": 7500, "small_val": 3000, "small_test": 4500}
    | {"small_oos_train": 100, "small_oos_val": 100, "small_oos_test": 1000},
    "gsm8k": {"train": 7473, "test": 1319},
    "scitldr": {"train": 1992, "dev": 619, "test": 618},
    "instructions": {"instruction-data": 1100, "instruction-data-with-preference": 1100},
    "winogender": {"sentences": 720, "occupations": 60},
    "chinese-poetry": {"tang300": 366, "song300": 280, "lunyu": 20}
    | {"qianziwen": 1, "sanzijing-traditional": 1},
}


@pytest.mark.parametrize("name", COUNTS)
def test_rows_are_as_many_as_the_manifest_says(real, name):
    """And every row of a part has the same keys, none of them empty of meaning."""
    found = datasets.load(name)
    parts = found if isinstance(found, dict) else {"all": found}
    counts = {part: len(rows) for part, rows in parts.items()}
    assert (counts if isinstance(found, dict) else counts["all"]) == COUNTS[name]
    for rows in parts.values():
        if isinstance(rows[0], dict):
            assert {tuple(row) for row in rows} == {tuple(rows[0])}
            for row in rows:
                assert isinstance(row.get("label", 0), int | float)
                assert isinstance(row.get("text", ""), str)
                assert isinstance(row.get("text_b", ""), str)


def test_the_tasks_of_gpt3(real):
    found = datasets.load("gpt3-synthetic")
    sums = [n for n in found if "digit" in n]
    assert len(sums) == 8 and len(found) == 13
    assert {len(found[n]) for n in sums} == {2000}
    assert {len(rows) for n, rows in found.items() if n not in sums} == {10000}
    assert all(
        r["completion"][0] == " " != r["completion"][1] for rows in found.values() for r in rows
    )
    for row in found["three_digit_subtraction"]:  # the answers are right
        a, b = (
            row["context"].removeprefix("\n\nQ: What is ").removesuffix("?\n\nA:").split(" minus ")
        )
        assert int(a) - int(b) == int(row["completion"])
    word = found["reversed_words"][0]
    assert word["context"].strip(" =\n")[::-1] == word["completion"].strip()


def test_minimal_pairs(real):
    found = datasets.load("blimp")
    assert len(found) == 67
    assert {len(rows) for rows in found.values()} == {1000}
    assert all(row["paradigm"] == name for name, rows in found.items() for row in rows)
    assert sum(row["good"] == row["bad"] for rows in found.values() for row in rows) == 7
    assert found["adjunct_island"][0]["good"] == "Who should Derek hug after shocking Richard?"


LABELS = {
    ("sst2", "train"): {"negative": 3310, "positive": 3610},
    ("sst2", "dev"): {"negative": 428, "positive": 444},
    ("sst2", "test"): {"negative": 912, "positive": 909},
    ("sentence-polarity", None): {"negative": 5331, "positive": 5331},
    ("movie-reviews", None): {"negative": 1000, "positive": 1000},
    ("pros-cons", None): {"con": 22935, "pro": 22940},
    ("subjectivity", None): {"objective": 5000, "subjective": 5000},
    ("cola", "in_domain_train"): {"unacceptable": 2528, "acceptable": 6023},
    ("cola", "in_domain_dev"): {"unacceptable": 162, "acceptable": 365},
    ("cola", "out_of_domain_dev"): {"unacceptable": 162, "acceptable": 354},
    ("rte", "rte1_dev"): {"entailment": 283, "not_entailment": 284},
    ("rte", "rte2_dev"): {"entailment": 210, "not_entailment": 190},
    ("rte", "rte3_test"): {"entailment": 410, "not_entailment": 390},
    ("sick", "train"): {"contradiction": 665, "neutral": 2536, "entailment": 1299},
    ("sick", "trial"): {"contradiction": 74, "neutral": 282, "entailment": 144},
}


@pytest.mark.parametrize(("name", "split"), LABELS)
def test_labels_are_as_many_as_in_the_files(real, name, split):
    rows = datasets.load(name, split)
    assert Counter(row["label_name"] for row in rows) == LABELS[name, split]
    names = {row["label"]: row["label_name"] for row in rows}
    assert sorted(names) == list(range(len(names)))
    assert len(set(names.values())) == len(names)
    assert {(row["label"], row["label_name"]) for row in rows} == set(names.items())


def test_numbers_are_those_of_the_files(real):
    """Sums, which one misread column would change."""
    sick = datasets.load("sick")
    assert sum(r["relatedness"] for r in sick["train"]) == pytest.approx(15844.255, abs=1e-4)
    assert sum(r["relatedness"] for r in sick["trial"]) == pytest.approx(1797.195, abs=1e-4)
    sts = datasets.load("sts-genres")
    sums = {part: round(sum(row["label"] for row in rows), 3) for part, rows in sts.items()}
    assert sums == {
        **{"2013.headlines": 1929.667, "2014.headlines": 2079.2, "2014.images": 2005.6},
        **{"2013.OnWN": 1297.167, "2014.OnWN": 1978.933, "2012.SMTeuroparl": 3161.53},
    }
    gsm8k = datasets.load("gsm8k")
    assert {p: sum(r["final"] for r in rows) for p, rows in gsm8k.items()} == {
        "train": 403114874,
        "test": 9009187,
    }
    choices = Counter(row["label"] for row in datasets.load("codah"))
    assert choices == {0: 689, 1: 684, 2: 697, 3: 706}
    intents = {row["label"]: row["label_name"] for row in datasets.load("clinc-oos", "train")}
    assert len(intents) == 150 and (intents[0], intents[149]) == ("accept_reservations", "yes")
    scitldr = datasets.load("scitldr")
    assert [sum(len(r["targets"]) for r in rows) for rows in scitldr.values()] == [1992, 1453, 1967]


def test_first_rows_of_sets_that_only_hashes_may_name(real):
    sst2, cola = datasets.load("sst2"), datasets.load("cola", "in_domain_train")
    assert sha(sst2["train"][0]["text"]) == "afe9ddec169e0dc2"
    assert sha(sst2["dev"][0]["text"]) == "0ec2a08a345f6ea9"
    assert sha(cola[0]["text"]) == "9cb46fc402363eeb"
    sick = datasets.load("sick", "train")[0]
    assert (sha(sick["text"]), sha(sick["text_b"])) == ("19a42101408f9fde", "1e460cf6726d704f")
    assert sha(datasets.load("sts-genres", "2014.images")[0]["text"]) == "127006fc61b65b20"
    assert sha(datasets.load("rte", "rte3_dev")[0]["text"]) == "6876e4110d753e7c"
    assert sha(datasets.load("rte", "rte1_dev")[0]["text_b"]) == "b964b38347e312f2"


def test_first_rows_of_sets_that_may_be_shown(real):
    assert datasets.load("movie-reviews")[1]["text"].startswith("films adapted from comic books")
    assert datasets.load("subjectivity")[1]["text"].startswith("smart and alert , thirteen conv")
    assert datasets.load("sentence-polarity")[1]["text"].startswith("the rock is destined to be")
    lambada = datasets.load("lambada")[0]
    assert lambada["context"].endswith("I don't care about") and lambada["target"] == "signs"
    assert datasets.load("gsm8k", "test")[0]["final"] == 18
    winogender = datasets.load("winogender", "sentences")
    assert Counter(row["gender"] for row in winogender) == dict.fromkeys(
        ("male", "female", "neutral"), 240
    )
    assert datasets.load("winogender", "occupations")[0]["bls_pct_female"] == 40.34
    assert datasets.load("clinc-oos", "oos_test")[0]["text"] == "how much has the dow changed today"


def test_texts_are_whole_and_in_their_encodings(real):
    """Encodings were undone with iconv, German's entities with sed."""
    shakespeare = datasets.load("tinyshakespeare")
    assert len(shakespeare) == 1115394 and shakespeare.count("\n") == 40000
    assert len(set(shakespeare)) == 65
    words = {part: len(text.split()) for part, text in datasets.load("wikitext2").items()}
    assert words == {"valid": 213886, "test": 241211}
    genesis = datasets.load("genesis")
    assert {
        language: sha(text) for language, text in genesis.items() if language in HASHES
    } == HASHES
    assert len(genesis) == 8
    for book, begins, ends in (
        ("pride_and_prejudice", "PRIDE AND PREJUDICE\n\nBy Jane Austen\n", "uniting them.\n"),
        ("alice", "ALICE’S ADVENTURES IN WONDERLAND\n\nLewis Carroll\n", "THE END\n"),
    ):
        text = datasets.load("gutenberg", book)
        assert text.startswith(begins) and text.endswith(ends)
        assert "Gutenberg" not in text and "\r" not in text and "\ufeff" not in text
    stories = datasets.load("tinystories-sample")
    assert stories[0].startswith("One day, a little girl named Lily found a needle")
    assert all(story == story.strip("\n") and story for story in stories)


HASHES = {
    "swedish": "d340168c3bf3d127",
    "finnish": "6a20acec3045d0f4",
    "german": "05ca623701401125",
    "french": "056beda1cc9ba232",
    "portuguese": "2104f02530e5c343",
}


def test_languages_and_years(real):
    udhr = datasets.load("udhr")
    assert len(udhr) == 388
    assert udhr["eng"].startswith("Universal Declaration of Human Rights\nPreamble\nWhereas rec")
    assert len(udhr["eng"].split()) == 1747
    assert udhr["cmn_hans"].startswith("世界人权宣言\n")
    assert udhr["hin"].startswith("मानव अधिकारों की सार्वभौम घोषणा\n")
    assert not any("\n " in text or "\ufffd" in text for text in udhr.values())
    assert datasets.load("udhr", "hin") == udhr["hin"]
    speeches = datasets.load("inaugural")
    assert len(speeches) == 59 and list(speeches) == sorted(speeches)
    assert (list(speeches)[0], list(speeches)[-1]) == ("1789", "2021")
    assert Counter(c for c in speeches["2005"] if not c.isascii()) == {
        **{"—": 17, "’": 12, "“": 3, "”": 3, "…": 2}
    }
    poems = datasets.load("chinese-poetry")
    letters = {p: sum(len(r["text"].replace("\n", "")) for r in rows) for p, rows in poems.items()}
    assert letters == {"tang300": 25239, "song300": 29176, "lunyu": 21480} | {
        "qianziwen": 1000,
        "sanzijing-traditional": 1520,
    }
    assert (poems["tang300"][0]["author"], poems["song300"][0]["title"]) == ("駱賓王", "湘春夜月")


def test_openais_tokenizers(real, tmp_path):
    """The ids of a well-known text; the files in the cache are the publisher's."""
    gpt2, gpt1 = datasets.tokenizer("gpt2"), datasets.tokenizer("gpt1")
    assert gpt2.encode("Hello world") == [15496, 995]
    assert (gpt2.vocab_size, gpt1.vocab_size) == (50257, 40478)
    assert left_in(tmp_path) == []  # a mirror needs no cache
    files = datasets.load("gpt2-bpe")
    assert list(files) == ["encoder.json", "vocab.bpe"]
    assert files["encoder.json"].read_bytes()[:6] == b'{"!": '
