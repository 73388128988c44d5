"""`gptcore data`, as a stranger uses it: against a publisher on this machine."""

import io
import re
import sys

import pytest
from data_server import alone, left_in, publishing, tiny_set

from gptcore import __main__ as cli
from gptcore import datasets
from gptcore.datasets import parse, sets, store


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, no mirror, and a table without the real sets."""
    real = dict(sets.SETS)
    sets.SETS.clear()
    yield alone(monkeypatch, tmp_path)
    sets.SETS.clear()
    sets.SETS.update(real)


@pytest.fixture
def tiny(monkeypatch, cache):
    with publishing() as publisher:
        files = {"a.txt": b"one\ntwo\n", "b.txt": b"other"}
        publisher.files = {f"/{name}": data for name, data in files.items()}
        tiny_set(monkeypatch, publisher.address, files)
        yield publisher


def done(capsys, *args: str) -> str:
    assert cli.main(["data", *args]) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def failed(capsys, *args: str) -> str:
    """What a mistake says, in one line after whatever went well."""
    try:
        code = cli.main(["data", *args])
    except SystemExit as stopped:
        code = stopped.code
    printed = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in printed.err
    return printed.err


def test_list_says_everything_in_columns(monkeypatch, tmp_path, capsys):
    """The real table; columns begin below their names."""
    alone(monkeypatch, tmp_path)
    head, *rows = done(capsys, "list").splitlines()
    assert re.split("  +", head) == ["name", "size", "here", "use", "licence", "what for"]
    assert [row.split()[0] for row in rows] == list(datasets.SETS)
    at = [head.index(name) for name in ("size", "here", "use", "licence", "what for")]
    assert all(row[start - 1] == " " != row[start] for row in rows for start in at)
    udhr = next(row for row in rows if row.startswith("udhr"))
    assert re.split("  +", udhr) == [
        *("udhr", "1.7 MB", "-", "redistributable", "public domain"),
        "one text in 388 translations: what languages pay in tokens",
    ]


def test_list_fits_a_terminal(monkeypatch, tmp_path, capsys):
    alone(monkeypatch, tmp_path)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "90")
    lines = done(capsys, "list").splitlines()
    assert max(map(len, lines)) == 90
    assert sum(line.endswith("…") for line in lines) > 20


def test_fetch_brings_what_list_then_shows(tiny, cache, capsys):
    assert "tiny  0.0 MB  -     run-time only  ours     tests" in done(capsys, "list")
    assert done(capsys, "fetch", "tiny") == (
        f"tiny: 2 files, 0.0 MB in {cache / 'tiny'}\n"
        "  Licence: ours. Read it here; do not pass it on.\n"
    )
    assert left_in(cache) == ["tiny/a.txt", "tiny/b.txt"]
    assert "tiny  0.0 MB  cache  run-time only" in done(capsys, "list")
    assert done(capsys, "fetch", "--all").startswith("tiny: 2 files")
    assert tiny.gets() == ["/a.txt", "/b.txt"]


def test_one_set_that_fails_does_not_keep_the_others_from_coming(tiny, cache, capsys, monkeypatch):
    tiny_set(monkeypatch, tiny.address, {"absent.txt": b"x"}, "absent")
    monkeypatch.setitem(sets.SETS, "last", sets.SETS["tiny"])
    assert cli.main(["data", "fetch", "absent", "tiny"]) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("tiny: 2 files")
    assert printed.err.startswith("gptcore: data: 1 of 2 not fetched (absent). absent: absent.txt")
    assert "answers 404 Not Found" in printed.err
    assert printed.err.count("\n") == 1


def test_show_gives_facts_and_rows(tiny, capsys):
    assert done(capsys, "show", "tiny", "--n", "1") == (
        "for: tests\nlicence: ours (run-time only)\ncite: nobody\nholds: Text.\nparts: a, b\n"
        "\na: 8 characters\n  'one'\n"
    )
    assert done(capsys, "show", "tiny", "--split", "b").endswith("\nb: 5 characters\n  'other'\n")


def test_show_of_rows_and_of_files(tiny, capsys, monkeypatch, cache):
    rows = [{"text": "a\tb", "label": 1}, {"text": "c" * 400, "label": 0}]
    monkeypatch.setitem(parse.PARSERS, "tiny", lambda names, read: {"all": lambda: rows})
    assert done(capsys, "show", "tiny").endswith(
        "parts: all\n\nall: 2 rows\n  text   'a\\tb'\n  label  1\n\n"
        f"  text   '{'c' * 298}…\n  label  0\n\n"
    )
    monkeypatch.delitem(parse.PARSERS, "tiny")
    shown = done(capsys, "show", "tiny")
    assert "parts:" not in shown
    assert shown.endswith(
        f"tiny: 2 files\n  a.txt  {cache / 'tiny' / 'a.txt'}\n  b.txt  {cache / 'tiny' / 'b.txt'}\n"
    )


HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202e\u2066 \u200b\r\0\x7f \ud7ff é 你"


def test_nothing_in_a_text_reaches_the_terminal_as_a_command(tiny, capsys, monkeypatch):
    """Escape sequences, C1 controls, marks that turn the direction of writing."""
    for part in (HOSTILE + "\nnext", [HOSTILE], [{"text": HOSTILE, "choices": [HOSTILE]}]):
        parts = {HOSTILE: lambda part=part: part}
        monkeypatch.setitem(parse.PARSERS, "tiny", lambda names, read, parts=parts: parts)
        shown = done(capsys, "show", "tiny")
        assert "\\x1b[2J" in shown
        assert "é 你" in shown
        complaint = failed(capsys, "show", "tiny", "--split", "x\x07")
        for text in (shown, complaint):
            assert [c for c in text if c != "\n" and not c.isprintable()] == []


def test_a_terminal_of_few_letters_gets_escapes(tiny, monkeypatch):
    parts = {"all": lambda: ["é 你"]}
    monkeypatch.setitem(parse.PARSERS, "tiny", lambda names, read: parts)
    narrow = io.TextIOWrapper(io.BytesIO(), "latin-1")
    monkeypatch.setattr(sys, "stdout", narrow)
    assert cli.main(["data", "show", "tiny"]) == 0
    narrow.flush()
    assert "'é \\u4f60'".encode("latin-1") in narrow.buffer.getvalue()


def test_mistakes_are_one_line_and_exit_code_2(tiny, cache, capsys, monkeypatch):
    for args, message in (
        (["fetch", "tinny"], "name='tinny' is no data set; did you mean 'tiny'?"),
        (["fetch", "tiny", "tinny"], "name='tinny' is no data set"),
        (["fetch"], "name the data sets to fetch, or say --all"),
        (["fetch", "tiny", "--all"], "name the data sets to fetch, or say --all"),
        (["show", "tinny"], "name='tinny' is no data set"),
        (["show", "tiny", "--split", "x"], "split='x' is no part of tiny; There are 2: a, b"),
        (["show", "tiny", "--n", "0"], "n=0 must be at least 1"),
    ):
        printed = failed(capsys, *args)
        assert printed.startswith("gptcore: data: "), printed
        assert message in printed, printed
        assert printed.count("\n") == 1, printed
    assert left_in(cache) == []
    monkeypatch.setattr(store, "_no_network", lambda url: "there is none")
    for command in ("fetch", "show"):
        printed = failed(capsys, command, "tiny")
        assert "a.txt (8 bytes) cannot be had. Mirror: GPTCORE_DATA_MIRROR is not set." in printed
        assert printed.rstrip().endswith("Network: there is none")


def test_a_command_is_asked_for(capsys):
    for args in ([], ["fetsh"]):
        printed = failed(capsys, *args)
        assert "subcommand" in printed and "gptcore data --help" in printed, printed


def test_help_of_each(capsys):
    for name, option in (("list", "-h"), ("fetch", "--all"), ("show", "--split")):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["data", name, "--help"])
        assert stopped.value.code == 0
        shown = capsys.readouterr().out
        assert f"usage: gptcore data {name} " in shown and option in shown
