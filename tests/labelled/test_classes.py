"""What this proves: labels stay what they were given as, and what looks like a slip is told."""

import json

import pytest

from gptcore.labelled import own
from gptcore.labelled.classes import alike


def rows(*labels):
    return [{"text": f"t{i}", "label": labels[i % len(labels)]} for i in range(12)]


@pytest.mark.parametrize(
    ("labels", "names", "integers"),
    [
        ((0, 1), ("0", "1"), True),
        ((10, 9), ("9", "10"), True),
        ((1.0, 2.0), ("1", "2"), True),
        ((2**60, 2**60 + 1), (str(2**60), str(2**60 + 1)), True),
        (("0", "1"), ("0", "1"), False),
        (("007", "7"), ("7", "007"), False),
        (("a", 1), ("1", "a"), False),
        ((True, False), ("false", "true"), False),
        (("1e2", "2e2"), ("1e2", "2e2"), False),
    ],
)
def test_labels_of_tables_with_types(labels, names, integers):
    """Words stay words in JSON, even those of digits."""
    found = own(rows(*labels))
    assert (sorted(found.labels), found.integers) == (sorted(names), integers)
    assert found.labels == names or not integers


@pytest.mark.parametrize(
    ("labels", "names", "integers"),
    [
        (("0", "1"), ("0", "1"), True),
        (("10", " 9"), ("9", "10"), True),
        (("1.0", "2"), ("1", "2"), True),
        (("-1", "+1"), ("-1", "1"), True),
        (("007", "010"), ("007", "010"), False),
        (("1e2", "2e2"), ("1e2", "2e2"), False),
        (("None", "NA"), ("NA", "None"), False),
        (("True", "False"), ("False", "True"), False),
    ],
)
def test_labels_of_csv(tmp_path, labels, names, integers):
    """Whole numbers are numbers, codes with a leading zero are not."""
    lines = [f"{row['text']},{row['label']}" for row in rows(*labels)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *lines]))
    found = own(tmp_path / "a.csv")
    assert (found.labels, found.integers) == (names, integers)


def test_classes_that_look_alike_are_told():
    labels = ["positive"] * 5 + ["Positive", "positiv", "negative", "negative", "not good"]
    data = [{"text": f"t{i}", "label": labels[i % 10]} for i in range(50)]
    data += [{"text": "u", "label": "Not-good"}]
    assert own(data).report.splitlines() == [
        "the table: classes that look alike, are they one? 'Positive' (5), 'positiv' (5), "
        "'positive' (25)",
        "the table: classes that look alike, are they one? 'Not-good' (1), 'not good' (5)",
    ]


@pytest.mark.parametrize(
    ("counts", "groups"),
    [
        ({"yes": 5, "Yes ": 5}, [["Yes ", "yes"]]),
        ({"class_1": 5, "class_2": 5}, []),
        ({"grade a": 50, "grade b": 40}, []),
        ({"neutral": 50, "neutrel": 2, "netural": 1}, [["netural", "neutral", "neutrel"]]),
        ({"happy": 9, "angry": 9, "sad": 9, "mad": 1}, []),
        ({"+": 5, "-": 5}, []),
    ],
)
def test_what_looks_alike(counts, groups):
    assert alike(counts) == groups


def test_one_text_with_two_labels_is_told_and_stays(tmp_path):
    lines = [f"t{i},{'ab'[i % 2]}" for i in range(12)] + ["t0,b", "t3,b", "t5,a"]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *lines]))
    found = own(tmp_path / "a.csv")
    assert found.report == (
        "a.csv: 2 texts have more than one label, such as 't0': a in line 2 and b in line 14; all "
        "these rows are kept"
    )
    assert len(found.train) + len(found.valid) + len(found.test) == 15


def test_one_text_with_two_labels_in_two_tables(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows("a", "b"))))
    found = own(tmp_path / "a.jsonl", valid=[{"text": "t1", "label": "a"}])
    assert (
        "a.jsonl: 1 text has more than one label, such as 't1': b in line 2 and a in row 1 of the "
        "table for valid; all these rows are kept" in found.report
    )
    assert "text='t1' stands in valid, too: left out of train" in found.report
