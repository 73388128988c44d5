"""What this proves: a user's file is read as its owner meant it, and every bad row is named.

Files are written here byte by byte, or by Python's own csv and json.
"""

import csv
import io
import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptcore.labelled import own

GOOD = [f"row {i},{'yes' if i % 3 else 'no'}" for i in range(20)]
"""Twenty rows, seven of class no."""


@pytest.fixture
def write(tmp_path):
    """Write a file and read it: `write("a.csv", text)` or bytes."""

    def written(name, content, **options):
        path = tmp_path / name
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        return own(path, **options)

    return written


def table(*rows, head="text,label"):
    return "\n".join([head, *GOOD, *rows, ""])


def everything(found):
    return [*found.train, *found.valid, *found.test]


def all_texts(found):
    return Counter(row["text"] for row in everything(found))


# ------------------------------------------------------------------ what is meant


def test_a_plain_table(write):
    found = write("mine.csv", table())
    assert (found.name, found.form, found.labels) == ("mine.csv", "classification", ("no", "yes"))
    assert [len(found.train), len(found.valid), len(found.test)] == [16, 2, 2]
    assert all_texts(found) == Counter(f"row {i}" for i in range(20))
    for row in everything(found):
        assert row["label"] == (int(row["text"][4:]) % 3 > 0)
    assert found.report == ""


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_quotes_and_line_ends(write, delimiter, newline):
    rows = [("a,b;c\td", "x"), ('she said "no"', "y"), ("two\nlines", "x"), ("  spaces ", "y")]
    rows += [(f"plain {i}", "xy"[i % 2]) for i in range(10)]
    told = io.StringIO()
    writer = csv.writer(told, delimiter=delimiter, lineterminator=newline)
    writer.writerows([("Text ", "LABEL"), *rows])
    found = write("mine.csv", told.getvalue())
    assert all_texts(found) == Counter(text for text, _ in rows)
    assert found.report == ""


def test_lines_that_end_as_on_old_macs_and_a_stray_return(write):
    assert write("mine.csv", table().replace("\n", "\r")) == write("mine.csv", table())
    assert all_texts(write("mine.csv", table("one\rtwo,yes")))["one\rtwo"] == 1


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le-bom", "utf-16-be-bom"]
)
def test_encodings_that_say_what_they_are(write, encoding):
    text = table("naïve café — 猫,yes")
    mark = "\ufeff" if encoding.endswith("bom") else ""
    found = write("mine.csv", (mark + text).encode(encoding.removesuffix("-bom")))
    assert all_texts(found)["naïve café — 猫"] == 1
    assert found.report == "" and len(everything(found)) == 21


def test_a_guessed_encoding_is_reported(write):
    found = write("mine.csv", table("café “x”,yes").encode("cp1252"))
    assert all_texts(found)["café “x”"] == 1
    assert found.report == (
        f"mine.csv: not UTF-8 (byte {len(table()) + 3} is 0xe9), so it was read as Windows-1252, "
        "a guess; if 'café' is wrong, convert it, e.g. iconv -f YOURS -t UTF-8"
    )


def test_bytes_in_no_encoding_are_refused(write):
    with pytest.raises(ValueError, match="has the mark of utf-16, but byte"):
        write("mine.csv", b"\xff\xfe" + b"\x00\xd8" * 3)
    with pytest.raises(ValueError, match="mine.csv has NUL characters: it is no text"):
        write("mine.csv", table("a\0b,yes"))


def test_quotation_marks_that_nobody_closed_cost_no_row(write):
    """Exports without quoting write them as they stand in the text."""
    odd = ['"Great" film,yes', '"never closed,no', 'a 5" pipe,yes', '"both", they said,no']
    found = write("mine.csv", table(*odd))
    told = all_texts(found)
    assert told['"Great" film'] == told['"never closed'] == told['a 5" pipe'] == 1
    assert len(everything(found)) == 23
    assert found.report.splitlines()[1:] == [
        """  line 25: '"both", they said,no' has 3 fields, not 2"""
    ]


def test_a_quotation_mark_closed_lines_later_takes_no_row_along(write):
    found = write("mine.csv", table('"open,no', "between,yes", 'shut",here,yes'))
    told = all_texts(found)
    assert told['"open'] == told["between"] == 1 and len(everything(found)) == 22
    assert found.report.splitlines()[1:] == ["""  line 24: 'shut",here,yes' has 3 fields, not 2"""]


def test_json_lines(write):
    rows = [{"text": f"row {i}", "label": bool(i % 2), "more": [1]} for i in range(12)]
    found = write("mine.jsonl", "\n\n".join(map(json.dumps, rows)))
    assert found.labels == ("false", "true") and len(everything(found)) == 12
    assert {row["label"] for row in everything(found) if int(row["text"][4:]) % 2} == {1}


def test_numbers_sort_as_numbers_and_one_is_one(write):
    rows = [{"text": f"row {i}", "label": [10, "9", 1.0, "1"][i % 4]} for i in range(24)]
    found = write("mine.jsonl", "\n".join(map(json.dumps, rows)))
    assert found.labels == ("1", "9", "10")
    assert Counter(row["label"] for row in everything(found)) == {0: 12, 1: 6, 2: 6}


def test_words_keep_their_case_and_lose_their_margins(write):
    found = write("mine.csv", table(*[f"more {i}, Yes " for i in range(5)]))
    assert found.labels == ("Yes", "no", "yes")


# ------------------------------------------------------------------ forms


def pairs(labels, name="label"):
    return "\n".join([f"text,text_b,{name}", *(f"a{i},b{i},{v}" for i, v in enumerate(labels))])


def test_pairs_with_whole_labels_are_entailment_and_with_decimals_similarity(write):
    found = write("mine.csv", pairs([0, 1, 2] * 5))
    assert (found.form, found.labels) == ("entailment", ("0", "1", "2"))
    assert found.train[0]["text_b"] == found.train[0]["text"].replace("a", "b")
    scored = write("mine.csv", pairs([0, 1, 2.5] * 5))
    assert (scored.form, scored.labels) == ("similarity", ())
    assert Counter(row["label"] for row in everything(scored)) == {0.0: 5, 1.0: 5, 2.5: 5}
    assert write("mine.csv", pairs(["0.0", "1.0"] * 6)).form == "entailment"
    asked = write("mine.csv", pairs([0, 1, 2] * 5), form="similarity")
    assert (asked.form, asked.train[0]["label"]) == ("similarity", float(asked.train[0]["label"]))


def test_decimals_with_a_comma(write):
    rows = "".join(f"a{i};b{i};{i},5\n" for i in range(10))
    found = write("mine.csv", "text;text_b;label\n" + rows)
    assert sorted(row["label"] for row in everything(found)) == [i + 0.5 for i in range(10)]


def test_choices_in_columns_and_in_a_list(write):
    rows = "".join(f"t{i},x{i},y{i},z{i},{i % 3}\n" for i in range(12))
    found = write("mine.csv", "text,choice_0,choice_1,choice_2,label\n" + rows)
    assert found.form == "choice" and found.labels == ()
    for row in everything(found):
        i = row["text"][1:]
        assert row["choices"] == [f"x{i}", f"y{i}", f"z{i}"] and row["label"] == int(i) % 3
    lines = [{"text": r["text"], "choices": r["choices"], "label": r["label"]} for r in found.train]
    lines += [{**lines[0], "choices": ["p", "q"], "label": 0}] + [
        {**lines[1], "text": f"u{i}"} for i in "abc"
    ]
    listed = write("mine.jsonl", "\n".join(map(json.dumps, lines)))
    assert len(everything(listed)) == len(lines) - 1
    assert "choices=['p', 'q'] must be 3, as in most rows" in listed.report


def test_ten_choices_keep_their_order(write):
    names = [f"choice_{i}" for i in range(11)]
    rows = [",".join([f"t{r}", *(f"c{i}" for i in range(11)), "10"]) for r in range(10)]
    found = write("mine.csv", "\n".join([",".join(["text", *names, "label"]), *rows]))
    assert found.train[0]["choices"] == [f"c{i}" for i in range(11)]


def test_forms_that_do_not_fit(write):
    with pytest.raises(
        ValueError, match="form='entailment' needs text_b; mine.csv has text, label"
    ):
        write("mine.csv", table(), form="entailment")
    with pytest.raises(ValueError, match="form='choice' needs choices .or choice_0, choice_1 ...."):
        write("mine.csv", table(), form="choice")
    with pytest.raises(ValueError, match="form='regression' must be one of classification, entail"):
        write("mine.csv", table(), form="regression")
    with pytest.raises(ValueError, match="label=0.5 in mine.csv is a score, not a class"):
        write("mine.csv", "text,label\n" + "".join(f"t{i},{i}.5\n" for i in range(20)))
    with pytest.raises(ValueError, match="has choice_1, choice_2; they must count from choice_0"):
        write("mine.csv", "text,choice_1,choice_2,label\n" + "t,a,b,1\n" * 12)


# ------------------------------------------------------------------ bad rows


def test_bad_rows_are_named_one_by_one(write):
    bad = [" ,yes", "x,", "y,NaN", "z,yes,more", "alone"]
    found = write("mine.csv", table(*bad))
    assert found.report.splitlines() == [
        "mine.csv: 5 of 25 rows are left out",
        "  line 22: text=' ' must not be empty",
        "  line 23: label='' must not be missing",
        "  line 24: label='NaN' must not be missing",
        "  line 25: 'z,yes,more' has 3 fields, not 2",
        "  line 26: 'alone' has 1 fields, not 2",
    ]
    assert all_texts(found) == Counter(f"row {i}" for i in range(20))


def test_many_bad_rows_are_counted_by_reason(write):
    found = write("mine.csv", table(*[" ,yes"] * 9, *["x,"] * 3))
    assert found.report.splitlines()[0] == "mine.csv: 12 of 32 rows are left out"
    assert found.report.splitlines()[6:] == [
        "  and 7 more; all of them by reason:",
        "  9 x must not be empty",
        "  3 x must not be missing",
    ]


def test_bad_json_lines(write):
    lines = [json.dumps({"text": f"row {i}", "label": i % 2}) for i in range(12)]
    bad = ['{"text": "cut off', "[1, 2]", '{"text": 5, "label": 1}', '{"label": 1}']
    bad += [
        '{"text": "x", "label": null}',
        '{"text": "x", "label": NaN}',
        '{"text": "x", "label": []}',
    ]
    found = write("mine.jsonl", "\n".join([*lines, *bad]))
    assert len(everything(found)) == 12
    for said in (
        """line 13: '{"text": "cut off' is no JSON: Unterminated string starting at""",
        "line 14: [1, 2] must be a JSON object",
        "line 15: text=5 must be a text",
        "line 16: text=None must be a text",
        "line 17: label=None must not be missing",
        "1 x must be finite",
        "1 x must be a word or a number",
    ):
        assert said in found.report, said


def test_labels_that_are_no_score_and_no_choice(write):
    scored = write("mine.csv", pairs([*(f"{i}.5" for i in range(12)), "many", "nan", "inf"]))
    assert "line 14: label='many' must be a number" in scored.report
    assert "line 15: label='nan' must not be missing" in scored.report
    assert "line 16: label='inf' must be a number" in scored.report
    rows = [f"t{i},a,b,{i % 2}" for i in range(12)] + ["u,a,b,2", "v,a,b,-1", "w,a,b,0.5", "x,a,,1"]
    chosen = write("mine.csv", "\n".join(["text,choice_0,choice_1,label", *rows]))
    assert chosen.report.splitlines()[1:] == [
        "  line 14: label='2' must be 0 to 1",
        "  line 15: label='-1' must be 0 to 1",
        "  line 16: label='0.5' must be 0 to 1",
        "  line 17: choices[1]='' must not be empty",
    ]


def test_blank_lines_and_the_empty_columns_of_spreadsheets_are_no_fault(write):
    rows = "".join(f"row {i},{'ab'[i % 2]},,\n\n,,,\n" for i in range(12))
    found = write("mine.csv", "\ntext,label,,\n" + rows)
    assert len(everything(found)) == 12 and found.report == ""


# ------------------------------------------------------------------ parts


def split_table(*rows):
    return "\n".join(["text,label,split", *rows, ""])


def test_a_split_column_is_obeyed(write):
    rows = [f"t{i},{'ab'[i % 2]},train" for i in range(12)]
    rows += ["v0,a,val", "v1,b,dev", "v2,a,Validation", "e0,b,test", "e1,c,test", "x,a,elsewhere"]
    rows += ["v0,a,train", "e0,b,valid"]
    found = write("mine.csv", split_table(*rows))
    assert {row["text"] for row in found.train} == {f"t{i}" for i in range(12)}
    assert [row["text"] for row in found.valid] == ["v0", "v1", "v2"]
    assert [row["text"] for row in found.test] == ["e0"]
    assert found.report.splitlines()[1:] == [
        "  line 18: label='c' occurs in valid or test, but never in train",
        "  line 19: split='elsewhere' must be train, valid or test",
        "  line 20: text='v0' stands in valid, too: left out of train",
        "  line 21: text='e0' stands in test, too: left out of valid",
    ]


def test_a_split_without_a_validation_part(write):
    rows = [f"t{i},{'ab'[i % 2]},train" for i in range(20)] + ["e0,b,test"]
    found = write("mine.csv", split_table(*rows))
    assert [len(found.train), len(found.valid), len(found.test)] == [18, 2, 1]
    assert found.report == (
        "mine.csv: split names no rows valid, so a tenth of those of train takes their place"
    )


def test_the_seed_decides_the_split(write):
    assert write("mine.csv", table()) == write("mine.csv", table())
    assert write("mine.csv", table()) != write("mine.csv", table(), seed=1)


# ------------------------------------------------------------------ no data set at all


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "mine.csv is empty: there is nothing to learn from it"),
        ("\ufeff \n", "mine.csv is empty"),
        ("sentence,label\n" + "x,1\n" * 20, "has the columns 'sentence', 'label'; it needs text"),
        ("good film\nbad film\n", "has the columns 'good film'; .*text and label is missing"),
        ("text,label,text\n" + "x,1,y\n" * 20, "'text' must not be there twice"),
        ("text,label\n" + "a,x\nb,y\n" * 3, r"has 6 rows that can be used, .* it needs 10"),
        ("text,label\n" + "".join(f"t{i},x\n" for i in range(20)), "one class only, 'x'"),
        ("text,label\n" + "".join(f"t{i},{i}\n" for i in range(20)), "label has 20 different val"),
        ("[" + '{"text": "a", "label": 1}' + "]", "has 1 rows that can be used"),
        ("text,label\n ,x\n ,y\n", r"has 0 rows that can be used(.|\n)*line 2: text=' ' must not"),
    ],
)
def test_files_that_are_no_data_set(write, content, said):
    with pytest.raises(ValueError, match=said):
        write("mine.csv", content)


def test_one_class_after_bad_rows_comes_with_the_report(write):
    rows = [*(f"t{i},x" for i in range(20)), " ,y"]
    with pytest.raises(ValueError, match=r"one class only, 'x'(.|\n)*line 22: text=' ' must"):
        write("mine.csv", "\n".join(["text,label", *rows]))


def test_json_that_is_no_json_lines(write, tmp_path):
    with pytest.raises(ValueError, match="mine.json is no JSON: Expecting ',' delimiter"):
        write("mine.json", '[{"text": "a", "label": 1} {"text": "b", "label": 2}]')
    with pytest.raises(ValueError, match=r"has the keys 'body'; it needs text and label"):
        write("mine.jsonl", '{"body": 1}\n' * 20)
    with pytest.raises(ValueError, match="has the keys nothing; it needs text and label"):
        write("mine.jsonl", "no json\n" * 20)
    with pytest.raises(ValueError, match="path=.*absent.csv' is no file"):
        own(tmp_path / "absent.csv")


# ------------------------------------------------------------------ nothing is lost

told = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1)
told = told.filter(lambda text: text.strip())
patient = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)


@patient
@given(
    st.lists(told, min_size=10, max_size=14, unique=True), st.sampled_from(",;\t"), st.booleans()
)
def test_what_csv_and_json_write_comes_back(tmp_path_factory, texts, delimiter, as_json):
    path = tmp_path_factory.mktemp("own") / ("mine.jsonl" if as_json else "mine.csv")
    rows = [{"text": text, "label": f"class {i % 2}"} for i, text in enumerate(texts)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        if as_json:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(file, ["text", "label"], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    found = own(path)
    assert found.report == ""
    back = {(row["text"], found.labels[row["label"]]) for row in everything(found)}
    assert back == {(row["text"], row["label"]) for row in rows}


@patient
@given(st.binary(max_size=300), st.sampled_from(["mine.csv", "mine.jsonl"]), st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory, noise, name, headed):
    """Noise ends in rows or in a ValueError, and takes no good row along."""
    path = tmp_path_factory.mktemp("own") / name
    path.write_bytes((table().encode() if headed else b"") + noise)
    try:
        found = own(path)
    except ValueError as error:
        assert path.name in str(error) or "label" in str(error)
    else:
        assert {f"row {i}" for i in range(20)} <= set(all_texts(found))
