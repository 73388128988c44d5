"""What this proves: any kind of table gives the same rows, no text is changed, and all is told.

Files are written by pandas, Python's own packers, or byte by byte; what must come back is what was
written.
"""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections import Counter

import pandas
import pytest

from gptcore.labelled import labelled, own

TEXTS = ["NA", "null", "None", "1e5", "007", "True", "2020-01-01", " margins ", "a\tb", "naïve 猫"]
TEXTS += ['he said "no"', "two\nlines", "=1+1", "#N/A", "1,234", "nan", "-", "\\N", "50%", "'x'"]
ROWS = [{"text": text, "label": f"class {i % 2}"} for i, text in enumerate(TEXTS)]


def told(found):
    """Text and class of every row."""
    rows = [*found.train, *found.valid, *found.test]
    return Counter((row["text"], found.labels[row["label"]]) for row in rows)


WANTED = Counter((row["text"], row["label"]) for row in ROWS)
FRAME = pandas.DataFrame(ROWS)
SHEET = FRAME[~FRAME["text"].isin(["=1+1", "#N/A"])]
"""Without what Excel itself takes for a formula and an error."""
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
TAR = b"\0" * 257 + b"ustar" + b"\0" * 250
# Bytes are part of a test's name: no clock in them, or two workers collect two lists.
CSV = FRAME.to_csv(index=False).encode()


def packed_by_zip(data, name="inside.csv", more=()):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for one in (name, *more):
            archive.writestr(one, data)
    return file.getvalue()


def written(write, *args, **options):
    file = io.BytesIO()
    write(file, *args, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", CSV),
        ("a.tsv", FRAME.to_csv(index=False, sep="\t").encode()),
        ("bars.csv", FRAME.to_csv(index=False, sep="|", quoting=1).encode()),
        ("excel.csv", b"sep=;\r\n" + FRAME.to_csv(index=False, sep=";").encode()),
        ("marked.csv", FRAME.to_csv(index=False).encode("utf-16")),
        ("a.jsonl", LINES),
        ("a.json", json.dumps(ROWS, indent=1).encode()),
        ("a.txt", json.dumps(ROWS).encode()),
        ("inner.json", json.dumps({"version": 1, "data": ROWS}).encode()),
        ("lists.json", json.dumps(FRAME.to_dict("list")).encode()),
        ("columns.json", FRAME.to_json().encode()),
        ("a.parquet", written(FRAME.to_parquet)),
        ("a.xlsx", written(SHEET.to_excel, index=False)),
        ("a.csv.gz", gzip.compress(CSV, mtime=0)),
        ("nameless", gzip.compress(CSV, mtime=0)),
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0)),
        ("a.csv.bz2", bz2.compress(CSV)),
        ("a.csv.xz", lzma.compress(CSV)),
        ("a.zip", packed_by_zip(CSV)),
    ],
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    found = own(tmp_path / name)
    lost = {"=1+1", "#N/A"} if name == "a.xlsx" else ()
    assert told(found) == Counter({row: n for row, n in WANTED.items() if row[0] not in lost})
    expected = f"{name}: its rows are those of 'data'" if name == "inner.json" else ""
    assert found.report == expected and found.name == name


def test_tables_in_memory(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV)
    for data in (FRAME, ROWS, tuple(ROWS), iter(ROWS), FRAME.to_dict("list"), FRAME[::-1][::-1]):
        found = labelled(data)
        assert told(found) == WANTED and found.report == ""
        assert found.train == own(tmp_path / "a.csv").train
    with pytest.raises(TypeError, match="data=5 must be a path, a DataFrame, or dicts"):
        labelled(5)
    with pytest.raises(TypeError, match="data=\\[1, 2\\] must be a path"):
        labelled([1, 2])
    with pytest.raises(TypeError, match="must be a path"):
        labelled(FRAME.drop(columns="label")["text"])


def test_gaps_in_a_frame_are_gaps_and_row_numbers_are_told():
    frame = pandas.DataFrame(ROWS + [{"text": None, "label": "class 1"}, {"text": "x"}])
    found = own(frame)
    assert told(found) == WANTED
    assert found.report.splitlines() == [
        "the table: 2 of 22 rows are left out",
        "  row 21: text=None must be a text",
        "  row 22: label=None must not be missing",
    ]
    spread = frame.astype({"text": "string", "label": "category"})
    assert own(spread).report == found.report and own(spread).train == found.train


def test_lists_of_choices_in_parquet(tmp_path):
    rows = [{"text": f"t{i}", "choices": [f"x{i}", f"y{i}"], "label": i % 2} for i in range(12)]
    pandas.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    found = own(tmp_path / "a.parquet")
    assert found.form == "choice" and found.report == ""
    assert sorted(map(str, [*found.train, *found.valid, *found.test])) == sorted(map(str, rows))


def test_the_first_sheet_is_read_and_the_others_are_named(tmp_path):
    with pandas.ExcelWriter(tmp_path / "a.xlsx") as book:
        SHEET.to_excel(book, sheet_name="first", index=False, startrow=2)
        SHEET.to_excel(book, sheet_name="second")
    found = own(tmp_path / "a.xlsx")
    assert sum(told(found).values()) == len(SHEET)
    assert found.report == "a.xlsx: the sheet 'first' was read, not 'second'"
    frame = pandas.DataFrame([*ROWS, {"text": 1984, "label": "class 1"}])
    frame.to_excel(tmp_path / "b.xlsx", index=False)
    assert own(tmp_path / "b.xlsx").report.splitlines()[1:] == [
        "  row 14: text='' must not be empty",  # a formula that nobody worked out
        "  row 15: text=None must be a text",
        "  row 22: text=1984 must be a text",
    ]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv.gz", gzip.compress(CSV, mtime=0)[:-20], "a.csv.gz is not a whole gzip file"),
        ("a.parquet", b"PAR1" + b"x" * 50, "a.parquet cannot be read as Parquet"),
        ("a.xlsx", packed_by_zip(b"x", "[Content_Types].xml"), "a.xlsx cannot be read as a spread"),
        ("a.zip", packed_by_zip(CSV, "a.csv", ["b.csv"]), r"a.zip holds 2 files \(a.csv, b.csv\)"),
        ("a.tar.gz", gzip.compress(TAR, mtime=0), "is a tar archive"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0", "a.png has NUL characters: it is no text"),
        ("a.json", b'[{"text": "a", "label": 1},]', "a.json is no JSON: .*line 1 column 2"),
    ],
)
def test_damaged_files_are_one_message(tmp_path, name, data, said):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=said):
        own(tmp_path / name)


@pytest.mark.parametrize(("package", "name"), [("pandas", "a.csv"), ("openpyxl", "a.xlsx")])
def test_an_absent_package_is_named_with_the_line_to_type(tmp_path, monkeypatch, package, name):
    FRAME.to_excel(tmp_path / "a.xlsx", index=False)
    (tmp_path / "a.csv").write_bytes(CSV)
    for module in (package, f"{package}.xml"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ImportError, match="pip install") as caught:
        own(tmp_path / name)
    assert package in str(caught.value) and "\n" not in str(caught.value)


# ------------------------------------------------------------------ quotation marks

PLAIN = [(f"row {i}", "no" if i % 3 else "yes") for i in range(18)]


def file_of(tmp_path, lines, delimiter="\t", name="a.tsv", newline="\n"):
    head = [f"text{delimiter}label", *(delimiter.join(row) for row in PLAIN)]
    (tmp_path / name).write_bytes((newline.join([*head, *lines]) + newline).encode())
    return own(tmp_path / name)


def added(found):
    """Rows beside the plain ones."""
    return told(found) - Counter(PLAIN)


def test_a_mark_closed_rows_later_swallows_none(tmp_path):
    lines = ['"I never said\tno', *(f"between {i}\tyes" for i in range(40)), 'third"\tyes']
    found = file_of(tmp_path, lines)
    wanted = Counter(tuple(line.split("\t")) for line in lines)
    assert added(found) == wanted
    assert found.report == (
        "a.tsv: a quotation mark in line 20 closes in a later line, and each line between is a "
        "row: read as these rows, with the marks as they stand"
    )


def test_a_text_of_several_lines_stays_one_whatever_it_looks_like(tmp_path):
    letter = '"Dear John, I am\nhere, now\nand well, yes",no'
    found = file_of(tmp_path, letter.split("\n"), ",", "a.csv")
    assert added(found) == {("Dear John, I am\nhere, now\nand well, yes", "no"): 1}
    assert found.report == ""
    odd = '"Choose one:\nrow 3,no\nfor me",no'
    found = file_of(tmp_path, odd.split("\n"), ",", "a.csv")
    assert added(found) == {("Choose one:\nrow 3,no\nfor me", "no"): 1}
    assert "begins in line 20 has lines that look like rows; it was read as one" in found.report


def test_backslashes_before_marks_are_read_as_their_writer_meant_and_told(tmp_path):
    line = r'"he said \"no\", twice: \"\"",no'
    found = file_of(tmp_path, [line], ",", "a.csv")
    assert added(found) == {('he said "no", twice: ""', "no"): 1}
    assert found.report == 'a.csv: \\" was read as a quotation mark in line 20'


def test_marks_that_may_belong_to_the_text_are_told(tmp_path):
    """A file that never quotes: "so" and "no" lose their marks, and that is said."""
    found = file_of(tmp_path, ['"so"\tno', '"yes" she said\tno', '"no"\tyes'])
    assert added(found) == {("so", "no"): 1, ('"yes" she said', "no"): 1, ("no", "yes"): 1}
    assert "marks are no CSV in line 21 and stay as they are" in found.report
    assert "were taken off in lines 20, 22" in found.report


def test_line_breaks_inside_of_texts_are_told_where_they_change(tmp_path):
    found = file_of(tmp_path, ['"one\r\ntwo",no', '"three\nfour",no'], ",", "a.csv", "\r\n")
    assert added(found) == {("one\ntwo", "no"): 1, ("three\nfour", "no"): 1}
    assert found.report == "a.csv: line breaks inside of texts are \\n now, not \\r\\n, in line 20"


def test_a_text_that_begins_with_a_line_break_keeps_it(tmp_path):
    found = file_of(tmp_path, ['"', "after a break", '",no'], ",", "a.csv")
    assert added(found) == {("\nafter a break\n", "no"): 1}


@pytest.mark.parametrize("inner", ['he said ""no"" and went. ' * 9000, "a line\n" * 20000])
def test_a_large_field_is_whole(tmp_path, inner):
    """Larger than csv.field_size_limit and than any number of lines that a row may be thought."""
    found = file_of(tmp_path, [f'"{inner}",no'], ",", "a.csv")
    assert added(found) == {(inner.replace('""', '"'), "no"): 1} and found.report == ""


def test_empty_cells_behind_the_last_column_are_no_fault(tmp_path):
    found = file_of(tmp_path, ["x,no,,", '"y, z",yes,,'], ",", "a.csv")
    assert added(found) == {("x", "no"): 1, ("y, z", "yes"): 1} and found.report == ""


# ------------------------------------------------------------------ JSON


def test_a_key_that_stands_twice_costs_its_row_only(tmp_path):
    lines = [*map(json.dumps, ROWS), '{"text": "a", "text": "b", "label": "class 1"}']
    lines += ['{"text": "a", "Text": "b", "label": "class 1"}']
    for name, data in (("a.jsonl", "\n".join(lines)), ("a.json", f"[{', '.join(lines)}]")):
        (tmp_path / name).write_text(data)
        found = own(tmp_path / name)
        assert told(found) == WANTED
        unit = "line" if name == "a.jsonl" else "row"
        assert found.report.splitlines()[1:] == [
            f"  {unit} 21: the key 'text' must not be there twice",
            f"  {unit} 22: ['text', 'Text', 'label'] must not have a key twice",
        ]
