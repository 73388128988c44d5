"""What this proves: columns are found by name, named where they have others, and none is ignored
in silence."""

import json

import pytest

from gptcore.labelled import labelled, own


@pytest.fixture
def write(tmp_path):
    """Write 12 rows of cells under a header, and read them."""

    def written(head, row="t{i},{c}", name="mine.csv", **options):
        rows = [row.format(i=i, c="ab"[i % 2], n=i % 2) for i in range(12)]
        (tmp_path / name).write_text("\n".join([head, *rows]))
        return own(tmp_path / name, **options)

    return written


def test_columns_of_other_names_are_named(write):
    named = {"text": "Review", "label": "stars"}
    found = write("review,text,Stars", "t{i},not this,{c}", columns=named)
    assert {row["text"] for row in found.train} <= {f"t{i}" for i in range(12)}
    assert found.labels == ("a", "b") and found.report == "mine.csv: not used: 'text'"
    named = {"text": "q", "choice_0": "one", "choice_1": "two", "label": "right"}
    chosen = write("q;one;two;right", "t{i};x{i};y{i};{n}", columns=named)
    assert chosen.form == "choice" and chosen.report == ""
    assert all(
        row["choices"] == [f"x{row['text'][1:]}", f"y{row['text'][1:]}"] for row in chosen.train
    )


def test_columns_of_json_and_of_dicts_are_named(tmp_path):
    rows = [{"Body": f"t{i}", "Class": i % 2, "text": "no"} for i in range(12)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for data in (tmp_path / "a.jsonl", rows):
        found = labelled(data, columns={"text": "body", "label": "Class"})
        assert {row["text"] for row in found.valid} < {f"t{i}" for i in range(12)}
        assert "not used: 'text'" in found.report


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("sentence,labels", "To name them: --columns text=sentence label=labels "),
        ("my review,label", "text is missing. Write the names in .*: --columns text=NAME "),
        ("text,gold label", "so label is missing. Write the names in a first line"),
        ("t0,a", "text and label is missing. Write the names in a first line of their own"),
        ("prompt,chosen", "text=NAME label=NAME"),
    ],
)
def test_a_missing_column_comes_with_the_words_to_type(write, head, said):
    with pytest.raises(ValueError, match=said):
        write(head)


def test_preference_pairs_are_called_what_they_are(tmp_path):
    rows = [{"prompt": "p", "chosen": f"t{i}", "rejected": "r"} for i in range(12)]
    with pytest.raises(ValueError, match="these are preference pairs, from which a reward is lear"):
        own(rows)
    (tmp_path / "a.csv").write_text("chosen,rejected\n" + "a,b\n" * 12)
    with pytest.raises(ValueError, match="a.csv has the columns 'chosen', 'rejected': these are p"):
        own(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("head", "row", "hint"),
    [
        (
            "text,choice1,choice2,label",
            "t{i},x,y,{n}",
            "'choice1', 'choice2'; if they belong to the task: --columns choice_0=choice1 "
            "choice_1=choice2",
        ),
        (
            "text,Option A,Option B,label",
            "t{i},x,y,{n}",
            "'Option A', 'Option B'; if they belong to the task: --columns choice_0='Option A' "
            "choice_1='Option B'",
        ),
        (
            "text,sentence2,label,fold",
            "t{i},x,{n},train",
            "'sentence2', 'fold'; if they belong to the task: --columns text_b=sentence2 "
            "split=fold",
        ),
        ("id,text,label", "{i},t{i},{n}", "'id'"),
        (",text,label", "{i},t{i},{n}", "column 1, which has no name"),
    ],
)
def test_what_nothing_reads_is_named(write, head, row, hint):
    found = write(head, row)
    assert found.form == "classification" and found.report == f"mine.csv: not used: {hint}"


def test_names_that_are_no_columns(write):
    with pytest.raises(ValueError, match="columns: body=text: 'body' must be one of text, text_b"):
        write("text,label", columns={"body": "text"})
    with pytest.raises(ValueError, match="'label'; columns: text=body is none of them"):
        write("text,label", columns={"text": "body"})
    with pytest.raises(ValueError, match="'text' must not be there twice"):
        write("text,Text ,label", "a,b,{c}")
    assert write("text,note,note,label", "t{i},x,y,{c}").report.endswith("'note', 'note'")


# ------------------------------------------------------------------ parts from other tables


def table(path, texts, more=""):
    rows = [f"{text},{'ab'[i % 2]}" for i, text in enumerate(texts)]
    path.write_text("\n".join([f"text,label{more}", *rows]))
    return path


def test_parts_as_files_of_their_own(tmp_path):
    data = table(tmp_path / "a.csv", [f"t{i}" for i in range(20)])
    valid = table(tmp_path / "v.csv", ["v0", "t3", "v1", ""])
    test = [{"text": "e0", "label": "b"}, {"text": "v1", "label": "a"}, {"text": "c", "label": "c"}]
    found = labelled(data, valid=valid, test=test)
    assert {row["text"] for row in found.train} == {f"t{i}" for i in range(20) if i != 3}
    assert [row["text"] for row in found.valid] == ["v0", "t3"]
    assert [row["text"] for row in found.test] == ["e0", "v1"]
    assert found.report.splitlines() == [
        "a.csv: 1 of 20 rows are left out",
        "  line 5: text='t3' stands in valid, too: left out of train",
        "v.csv: 2 of 4 rows are left out",
        "  line 4: text='v1' stands in test, too: left out of valid",
        "  line 5: text='' must not be empty",
        "the table for test: 1 of 3 rows are left out",
        "  row 3: label='c' occurs in valid or test, but never in train",
    ]


def test_a_test_file_alone_takes_a_tenth_for_validation(tmp_path):
    data = table(tmp_path / "a.csv", [f"t{i}" for i in range(20)])
    test = table(tmp_path / "e.csv", ["e0", "e1"])
    found = labelled(data, test=test, n_train=5)
    assert [len(part) for part in (found.train, found.valid, found.test)] == [5, 2, 2]
    assert "a.csv: no table is given for valid, so a tenth of those of train" in found.report


def test_parts_that_contradict_each_other(tmp_path):
    data = tmp_path / "a.csv"
    data.write_text(
        "text,label,split\n" + "".join(f"t{i},{'ab'[i % 2]},train\n" for i in range(12))
    )
    valid = table(tmp_path / "v.csv", ["v0", "v1"])
    assert len(own(data, valid=valid).train) == 12
    data.write_text(data.read_text() + "t,a,test\n")
    said = "a.csv is given for train, but line 14 has split=test: name the parts either in a col"
    with pytest.raises(ValueError, match=said):
        own(data, valid=valid)
    pairs = [{"text": "a", "text_b": "b", "label": "a"}] * 12
    with pytest.raises(ValueError, match="form='entailment' needs text_b; v.csv has text, label"):
        own(pairs, valid=valid)


@pytest.mark.parametrize("option", ["columns", "valid", "test"])
def test_options_of_tables_are_refused_with_named_sets(option):
    for name in ("tales-mood", "sst2"):
        with pytest.raises(ValueError, match=f"^{option}=.* goes with a table of one's own, not w"):
            labelled(name, **{option: {"text": "x"}})
