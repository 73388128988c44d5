"""What this proves: named sets come in one shape, in parts without common texts, nothing unseen.

The counts of the real files are upstream's; which rows occur twice was counted with sort and uniq.
"""

import os
from collections import Counter

import pytest

from gptcore import datasets
from gptcore.datasets import DataUnavailable, store
from gptcore.labelled import known, labelled, named_sets
from gptcore.labelled.named_sets import USES, Use
from gptcore.labelled.shape import parted, texts, without

REAL = [(name, use.form) for name, uses in USES.items() for use in uses]
MIRROR = os.environ.get(store.MIRROR)


def row(text, label, **more):
    return {"text": text, "label": label, "label_name": "no yes".split()[label], **more}


@pytest.fixture
def upstream(monkeypatch):
    """A set of three parts, with an empty text, and texts that stand in two parts."""
    parts = {
        "train": [row(f"t{i}", i % 2) for i in range(40)]
        + [row(" ", 1), row("d0", 0), row("e0", 0)],
        "dev": [row(f"d{i}", i % 2) for i in range(6)] + [row("e1", 1)],
        "test": [row(f"e{i}", i % 2) for i in range(8)],
    }
    monkeypatch.setattr(datasets, "parts", lambda name: tuple(parts))
    monkeypatch.setattr(datasets, "load", lambda name, part: parts[part])
    return parts


def use(monkeypatch, *uses):
    monkeypatch.setitem(USES, "tiny", uses)


def test_parts_as_upstream_has_them(upstream, monkeypatch):
    use(monkeypatch, Use("classification", ("train",), ("dev",), ("test",)))
    found = known("tiny")
    assert (found.name, found.form, found.labels) == ("tiny", "classification", ("no", "yes"))
    assert sorted(r["text"] for r in found.train) == sorted(f"t{i}" for i in range(40))
    assert [r["text"] for r in found.valid] == [f"d{i}" for i in range(6)]
    assert [r["text"] for r in found.test] == [f"e{i}" for i in range(8)]
    assert set(found.train[0]) == {"text", "label"}
    assert found.report == (
        "left out: 1 rows with an empty text\n"
        "left out: 3 rows whose text stands in a later part, too"
    )


def test_a_tenth_of_the_training_rows_where_there_is_no_validation_part(upstream, monkeypatch):
    use(monkeypatch, Use("classification", ("train",), (), ("test",)))
    found = known("tiny", seed=3)
    assert (len(found.train), len(found.valid), len(found.test)) == (37, 4, 8)
    assert Counter(r["label"] for r in found.valid) == {0: 2, 1: 2}
    assert known("tiny", seed=3) == found != known("tiny", seed=4)


def test_all_parts_are_pooled_where_none_is_named(upstream, monkeypatch):
    use(monkeypatch, Use("classification"))
    found = known("tiny")
    pooled = [r["text"] for part in (found.train, found.valid, found.test) for r in part]
    whole = [r["text"] for part in upstream.values() for r in part if r["text"].strip()]
    assert sorted(pooled) == sorted(whole)  # rows that occur twice stay, together
    assert 44 <= len(found.train) <= 46


def test_the_label_asked_for(upstream, monkeypatch):
    for rows in upstream.values():
        rows[:] = [{**r, "text_b": "b", "closeness": i / 2} for i, r in enumerate(rows)]
    uses = (
        Use("entailment", ("train",), (), ("test",)),
        Use("similarity", ("train",), (), ("test",), "closeness"),
    )
    use(monkeypatch, *uses)
    assert known("tiny").labels == ("no", "yes")
    scored = known("tiny", "similarity")
    assert scored.labels == () and scored.test[3]["label"] == 1.5
    assert set(scored.test[0]) == {"text", "text_b", "label"}
    with pytest.raises(ValueError, match="task='choice': tiny has labels for entailment, simil"):
        known("tiny", "choice")


def test_a_hidden_label_never_counts(upstream, monkeypatch):
    """Parts that a use does not name, such as a test part without labels, are not read."""
    for r in upstream["test"]:
        r["label"] = -1
    use(monkeypatch, Use("classification", ("train",), (), ("dev",)))
    found = known("tiny")
    assert {r["label"] for part in (found.train, found.valid, found.test) for r in part} == {0, 1}


# ------------------------------------------------------------------ splits


def test_a_split_in_numbers():
    """50 rows of class 0, 30 of class 1, 20 of class 2: each in the proportion 8 : 1 : 1."""
    rows = [{"text": str(i), "label": 0 if i < 50 else 1 if i < 80 else 2} for i in range(100)]
    train, valid, test = parted(rows, (0.8, 0.1, 0.1), seed=0)
    assert Counter(r["label"] for r in train) == {0: 40, 1: 24, 2: 16}
    assert Counter(r["label"] for r in valid) == {0: 5, 1: 3, 2: 2}
    assert Counter(r["label"] for r in test) == {0: 5, 1: 3, 2: 2}
    assert [r["label"] for r in train] != sorted(r["label"] for r in train)


def test_equal_texts_stay_together_and_every_class_is_learned():
    rows = [{"text": str(i // 4), "label": i // 4 % 2} for i in range(80)]
    rows += [{"text": f"rare {i}", "label": 2 + i} for i in range(9)]
    parts = parted(rows, (0.8, 0.1, 0.1), seed=1)
    assert sum(map(len, parts)) == 89
    said = [{texts(r) for r in part} for part in parts]
    assert not (said[0] & said[1] or said[0] & said[2] or said[1] & said[2])
    assert {r["label"] for r in parts[0]} == set(range(11))


def test_without_compares_all_texts_of_a_row():
    pair = {"text": "a", "text_b": "b", "label": 1}
    assert without([pair], [{"text": "a", "text_b": "c"}]) == [pair]
    assert without([pair], [{"text": "a", "text_b": "b", "label": 0}]) == []


# ------------------------------------------------------------------ the door


def test_unknown_names_list_what_there_is():
    with pytest.raises(ValueError, match="name='sst' is no labelled set; there are sst2, cola"):
        known("sst")
    with pytest.raises(ValueError, match="'tales-moods' is no file and none of tales-mood, .*sst2"):
        labelled("tales-moods")
    with pytest.raises(ValueError, match="task='choice': tales-mood has labels for classif"):
        labelled("tales-mood", "choice")
    with pytest.raises(ValueError, match="n_test=-3 must not be negative"):
        labelled("sst2", n_test=-3)


def test_the_door_finds_each_kind(upstream, monkeypatch, tmp_path):
    use(monkeypatch, Use("classification", ("train",), ("dev",), ("test",)))
    found = labelled("tiny", n_train=5, n_test=0)
    assert found.train == known("tiny").train[:5] and found.test == ()
    assert len(found.valid) == 6
    assert labelled("tales-endings", "choice", 2, 1, 1).name == "tales-endings"
    file = tmp_path / "mine.csv"
    file.write_text("text,label\n" + "".join(f"row {i},{i % 2}\n" for i in range(20)))
    assert len(labelled(file, n_train=7).train) == 7
    assert labelled(str(file), seed=5).train != labelled(file).train


def test_a_set_that_cannot_be_had_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv(store.MIRROR, raising=False)
    monkeypatch.setenv(store.CACHE, str(tmp_path))
    monkeypatch.setattr(store, "_no_network", lambda url: "there is none")
    with pytest.raises(DataUnavailable, match=r"sst2: .* cannot be had. Mirror: .*Network: "):
        labelled("sst2")


# ------------------------------------------------------------------ the real sets

COUNTS = {
    "sst2": (6917, 872, 1821),  # three training rows stand in dev or test too
    "sentence-polarity": (8530, 1066, 1066),
    "subjectivity": (8000, 1000, 1000),
    "movie-reviews": (1600, 200, 200),
    "clinc-oos": (15095, 3100, 5500),
}


@pytest.mark.skipif(not MIRROR, reason=f"{store.MIRROR} names no folder with the real data")
@pytest.mark.parametrize(("name", "form"), REAL)
def test_every_real_set(name, form):
    found = known(name, form)
    parts = (found.train, found.valid, found.test)
    assert found.form == form
    if name in COUNTS:
        assert tuple(map(len, parts)) == COUNTS[name]
    assert min(map(len, parts)) >= 200
    said = [{texts(r) for r in part} for part in parts]
    assert not (said[0] & said[1] or said[0] & said[2] or said[1] & said[2])
    assert all(text.strip() for part in said for row in part for text in row)
    labels = {r["label"] for part in parts for r in part}
    if found.labels:
        assert labels == {r["label"] for r in found.train} == set(range(len(found.labels)))
    elif form == "similarity":
        assert all(isinstance(label, float) and 0 <= label <= 5 for label in labels)
    else:
        assert labels == {0, 1, 2, 3}


@pytest.mark.skipif(not MIRROR, reason=f"{store.MIRROR} names no folder with the real data")
def test_empty_texts_of_a_real_set_are_counted():
    assert known("pros-cons").report == "left out: 8 rows with an empty text"
    assert named_sets.known("sst2").labels == ("negative", "positive")
