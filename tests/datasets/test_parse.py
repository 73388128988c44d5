"""Every format on a few lines of our own, with the oddities that upstream's files have."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from gptcore.datasets.parse import PARSERS, Part


def parsed(name: str, files: dict[str, bytes]) -> dict[str, Part]:
    parts = PARSERS[name](tuple(files), files.__getitem__)
    return {part: make() for part, make in parts.items()}


def archive(entries: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for name, data in entries.items():
            opened.writestr(name, data)
    return made.getvalue()


def json_lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


# ---------------------------------------------------------------- texts


def test_a_book_without_its_publisher():
    """Byte order mark, CRLF, header, producer, footer; a line *** inside stays."""
    data = (
        "\ufeffThe Project Gutenberg EBook of X\r\n\r\n"
        "*** START OF THIS PROJECT GUTENBERG X ***\r\n"
        "\r\n\r\nProduced by Somebody\r\n\r\nX\r\n\r\n*** three stars\r\n‘Y’ was\r\n  here\r\n\r\n"
        "End of the Project Gutenberg EBook of X\r\n\r\n*** END OF THIS PROJECT GUTENBERG X ***\r\n"
        "*** START: FULL LICENSE ***\r\n"
    )
    text = "X\n\n*** three stars\n‘Y’ was\n  here\n"
    assert parsed("gutenberg", {"x.txt": data.encode()}) == {"x": text}
    with pytest.raises(ValueError, match=r"lacks the lines \*\*\* START OF"):
        parsed("gutenberg", {"x.txt": b"no marks"})


def test_texts_stay_as_they_are():
    data = b" \n = A = \n \n B <unk> c . \n"
    assert parsed("wikitext2", {"valid.txt": data}) == {"valid": data.decode()}
    assert parsed("tinyshakespeare", {"input.txt": b"A:\nB.\n"}) == {"all": "A:\nB.\n"}


def test_stories_are_cut_at_their_separator():
    data = "One.\nTwo “2”.\n<|endoftext|>\nThree.\n<|endoftext|>\nFo".encode()
    assert parsed("tinystories-sample", {"a.txt": data}) == {
        "all": ["One.\nTwo “2”.", "Three.", "Fo"]
    }


def test_declarations_lose_their_indentation():
    entries = {
        "udhr2/hin.txt": "मानव\n      सब\n\n\t\tजन \n".encode(),
        "udhr2/cmn_hans.txt": "人\n".encode(),
        "udhr2/": b"",
    }
    found = parsed("udhr", {"udhr2.zip": archive(entries)})
    assert found == {"cmn_hans": "人\n", "hin": "मानव\nसब\n\nजन\n"}


def test_every_genesis_in_its_own_encoding():
    entries = {
        "genesis/french.txt": "créa à\n".encode("latin-1"),
        "genesis/german.txt": "da&szlig; wüst\n".encode("latin-1"),
        "genesis/finnish.txt": "yllä\n".encode("latin-1"),
        "genesis/swedish.txt": "öde mörker Å\n".encode("cp850"),
        "genesis/portuguese.txt": "céus são\n".encode(),
        "genesis/README": b"k\xe4ytt\xf6\xf6n",
    }
    assert parsed("genesis", {"genesis.zip": archive(entries)}) == {
        "french": "créa à\n",
        "german": "daß wüst\n",
        "finnish": "yllä\n",
        "swedish": "öde mörker Å\n",
        "portuguese": "céus são\n",
    }


def test_speeches_by_year_and_the_one_in_big5():
    """A158, A1A6: the bytes of a dash and of an apostrophe in Big5."""
    entries = {
        "inaugural/2009-Obama.txt": "My fellow — citizens\n".encode(),
        "inaugural/2005-Bush.txt": b"tyranny\xa1Xprone; America\xa1\xa6s\n",
        "inaugural/README": b"about",
    }
    found = parsed("inaugural", {"inaugural.zip": archive(entries)})
    assert list(found) == ["2005", "2009"]
    assert found == {"2005": "tyranny—prone; America’s\n", "2009": "My fellow — citizens\n"}


def test_poems_of_three_shapes():
    song = [{"author": "柳永", "paragraphs": ["寒蝉凄切。", "对长亭晚。"], "rhythmic": "雨霖铃"}]
    chapter = '[\r\n{"chapter": "学而篇", "paragraphs": ["子曰"]}\r\n]'
    book = {"title": "千字文", "author": "周興嗣", "tags": "x", "paragraphs": ["天地玄黃"]}
    files = {
        "song300.json": json.dumps(song).encode(),
        "lunyu.json": chapter.encode(),
        "qianziwen.json": json.dumps(book, ensure_ascii=False).encode(),
    }
    assert parsed("chinese-poetry", files) == {
        "song300": [{"title": "雨霖铃", "author": "柳永", "text": "寒蝉凄切。\n对长亭晚。"}],
        "lunyu": [{"title": "学而篇", "author": "", "text": "子曰"}],
        "qianziwen": [{"title": "千字文", "author": "周興嗣", "text": "天地玄黃"}],
    }


# ---------------------------------------------------------------- labelled texts


def test_tables_have_no_quoting_and_end_lines_with_a_line_feed_only():
    r"""One quotation mark in a field; \x85 and \u2028 in a text; no line feed at the end."""
    data = 'a " b\t1\nc\x85d\u2028e\t0'.encode()
    assert parsed("sst2", {"train.tsv": data}) == {
        "train": [
            {"text": 'a " b', "label": 1, "label_name": "positive"},
            {"text": "c\x85d\u2028e", "label": 0, "label_name": "negative"},
        ]
    }
    with pytest.raises(ValueError, match="line 2 has 1 fields, not 2: 'no label'"):
        parsed("sst2", {"train.tsv": b"a\t1\nno label\n"})


def test_acceptability():
    data = b"gj04\t1\t\tIt is.\nks08\t0\t*\tIs it it?\n"
    assert parsed("cola", {"in_domain_dev.tsv": data})["in_domain_dev"] == [
        {"text": "It is.", "label": 1, "label_name": "acceptable", "source": "gj04"},
        {"text": "Is it it?", "label": 0, "label_name": "unacceptable", "source": "ks08"},
    ]


@pytest.mark.parametrize(
    ("name", "negative", "positive", "names"),
    [
        ("sentence-polarity", "rt-polarity.neg", "rt-polarity.pos", ("negative", "positive")),
        ("subjectivity", "plot.tok.gt9.5000", "quote.tok.gt9.5000", ("objective", "subjective")),
    ],
)
def test_two_files_of_lines_come_out_by_turns(name, negative, positive, names):
    entries = {"x/README.txt": b"", f"x/{positive}": b"p1 \np2\np3\n", f"x/{negative}": b"n1 . \n"}
    (rows,) = parsed(name, {"x.zip": archive(entries)}).values()
    assert [row["text"] for row in rows] == ["n1 .", "p1", "p2", "p3"]
    assert [row["label"] for row in rows] == [0, 1, 1, 1]
    assert [row["label_name"] for row in rows] == [names[0], *[names[1]] * 3]


def test_reviews_keep_their_lines():
    """The same name on both sides is two reviews."""
    entries = {
        "m/neg/cv000_1.txt": b"bad . \nvery bad . \n",
        "m/pos/cv000_1.txt": b"good . \n",
        "m/neg/cv001_2.txt": b"worse \n",
        "m/README": b"",
    }
    (rows,) = parsed("movie-reviews", {"m.zip": archive(entries)}).values()
    assert [(row["text"], row["label"]) for row in rows] == [
        ("bad . \nvery bad . ", 0),
        ("good . ", 1),
        ("worse ", 0),
    ]


def test_pros_and_cons():
    entries = {
        "p/IntegratedPros.txt": "        <Pros>5 &amp; more é</Pros>\n<Pros></Pros>\n\n".encode(),
        "p/IntegratedCons.txt": b"<Cons> slow</Cons>\n\n",
        "p/README.txt": b"<Pros>no</Pros>",
    }
    (rows,) = parsed("pros-cons", {"p.zip": archive(entries)}).values()
    assert [(row["text"], row["label_name"]) for row in rows] == [
        ("slow", "con"),
        ("5 & more é", "pro"),
        ("", "pro"),
    ]


def test_intents_are_numbered_alphabetically_and_out_of_scope_is_last():
    data = {
        "oos_test": [["who?", "oos"]],
        "train": [["pay", "pay_bill"], ["hello", "greeting"]],
        **{key: [["hi", "greeting"]] for key in ("val", "test")},
        **{key: [] for key in ("oos_train", "oos_val")},
    }
    found = parsed(
        "clinc-oos", {f"data_{s}.json": json.dumps(data).encode() for s in ("full", "small")}
    )
    assert len(found) == 12
    assert found["train"] == found["small_train"]
    assert found["train"] == [
        {"text": "pay", "label": 1, "label_name": "pay_bill"},
        {"text": "hello", "label": 0, "label_name": "greeting"},
    ]
    assert found["oos_test"] == [{"text": "who?", "label": 2, "label_name": "oos"}]


# ---------------------------------------------------------------- pairs


def test_entailment_with_labels_of_either_name():
    one = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE entailment-corpus SYSTEM "rte.dtd">
<entailment-corpus challenge="1">
<pair id="8" value="TRUE" task="IR">\n\t<t>A &lt; B don&apos;t</t>\n\t<h>B</h>\n</pair>
</entailment-corpus>"""
    two = '<c>\r\n<pair id="1" entailment="NO" task="IE">\r\n<t> Ä\u2028 </t><h>D</h></pair>'
    two += '<pair id="2" entailment="YES" task="QA"><t>E</t><h>F</h></pair></c>'
    entries = {"rte/rte1_dev.xml": one, "rte/rte3_test.xml": two.encode(), "rte/README": b"\xff"}
    assert parsed("rte", {"rte.zip": archive(entries)}) == {
        "rte1_dev": [
            {"text": "A < B don't", "text_b": "B", "label": 1}
            | {"label_name": "entailment", "task": "IR"}
        ],
        "rte3_test": [
            {"text": "Ä", "text_b": "D", "label": 0}
            | {"label_name": "not_entailment", "task": "IE"},
            {"text": "E", "text_b": "F", "label": 1} | {"label_name": "entailment", "task": "QA"},
        ],
    }


def test_an_xml_bomb_is_refused():
    bomb = b'<!DOCTYPE c [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><c><pair><t>&b;</t></pair></c>'
    with pytest.raises(ValueError, match="defines entities"):
        parsed("rte", {"rte.zip": archive({"rte/rte1_dev.xml": bomb})})


def test_relatedness_and_entailment_of_the_same_pairs():
    data = b"pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    data += b"1\tA\tB\t4.5\tNEUTRAL\n2\tC\tD\t1.015\tCONTRADICTION\n3\tE\tF\t5\tENTAILMENT\n"
    found = parsed("sick", {"SICK_trial.txt": data, "readme.txt": b"\xef\xbb\xbf::::"})
    assert list(found) == ["trial"]
    assert [tuple(row.values()) for row in found["trial"]] == [
        ("A", "B", 1, "neutral", 4.5),
        ("C", "D", 0, "contradiction", 1.015),
        ("E", "F", 2, "entailment", 5.0),
    ]


def test_similarity_by_genre_without_the_readme_files():
    data = '4.200\tA "q\tB\n0\tC\tD ‘d’\n'.encode()
    found = parsed("sts-genres", {"2013.OnWN.tsv": data, "2013.readme.txt": b"STS\t\t2013"})
    assert found == {
        "2013.OnWN": [
            {"text": 'A "q', "text_b": "B", "label": 4.2},
            {"text": "C", "text_b": "D ‘d’", "label": 0.0},
        ]
    }


# ---------------------------------------------------------------- other tasks


def test_multiple_choice_without_a_category():
    data = b'\tI am\tw\tx "\ty\tz\t3\n'
    assert parsed("codah", {"full_data.tsv": data})["all"] == [
        {"text": "I am", "choices": ["w", 'x "', "y", "z"], "label": 3, "category": ""}
    ]


def test_final_numbers():
    rows = [
        {"question": "q\u2028?", "answer": "It is <<1+1=2>>2\n#### 1,070,000"},
        {"question": "r", "answer": "#### -7"},
    ]
    found = parsed("gsm8k", {"test.jsonl": json_lines(*rows)})
    assert [row["final"] for row in found["test"]] == [1070000, -7]
    assert found["test"][0]["answer"] == rows[0]["answer"]
    assert found["test"][0]["question"] == "q\u2028?"


def test_the_last_word_after_any_white_space():
    data = json_lines({"text": "He said no"}, {"text": "Who?\n\nMe"})
    assert parsed("lambada", {"lambada_test.jsonl": data})["all"] == [
        {"text": "He said no", "context": "He said", "target": "no"},
        {"text": "Who?\n\nMe", "context": "Who?", "target": "Me"},
    ]


def test_completions_gzipped_upstream_or_not():
    row = {"context": "\n\nQ: What is 1 plus 1?\n\nA:", "completion": " 2"}
    files = {"sum.jsonl": json_lines(row, row), "words.jsonl.gz": gzip.compress(json_lines(row))}
    assert parsed("gpt3-synthetic", files) == {"sum": [row, row], "words": [row]}


def test_minimal_pairs_without_the_shadows_of_macos():
    row = {"sentence_good": "g", "sentence_bad": "b", "field": "f", "linguistics_term": "t"}
    row |= {"UID": "u", "pairID": "0"}
    entries = {
        "data/u.jsonl": json_lines(row),
        "__MACOSX/data/._u.jsonl": b"\0\1\2",
        "__MACOSX/data/u.jsonl": b"\0\1\2",
        "data/.DS_Store": b"\0",
    }
    assert parsed("blimp", {"B.zip": archive(entries)}) == {
        "u": [{"good": "g", "bad": "b", "paradigm": "u", "term": "t", "field": "f"}]
    }


def test_summaries():
    row = {"source": ["One. ", "Two."], "target": [" T.", "U."], "title": "X", "paper_id": "1"}
    assert parsed("scitldr", {"dev.jsonl": json_lines(row).rstrip()})["dev"] == [
        {"text": "One. Two.", "targets": ["T.", "U."], "title": "X"}
    ]


def test_instructions_with_and_without_preferences():
    row = {"instruction": "i", "input": "", "output": "o"}
    preference = {"rejected": "r", "instruction": "i", "input": "n", "chosen": "c", "output": "o"}
    files = {"a.json": json.dumps([row]).encode(), "b.json": json.dumps([preference]).encode()}
    found = parsed("instructions", files)
    assert found == {"a": [row], "b": [preference]}
    assert list(found["b"][0]) == ["instruction", "input", "output", "chosen", "rejected"]


def test_winogender_names_say_it_all():
    files = {
        "all_sentences.tsv": b"sentid\tsentence\nchef.guest.0.female.txt\tThe chef told it.\n",
        "occupations-stats.tsv": b"occupation\tbergsma_pct_female\tbls_pct_female\tbls_year\n"
        b"chef\t6.66\t19.6\t2015\n",
    }
    assert parsed("winogender", files) == {
        "sentences": [
            {"text": "The chef told it.", "occupation": "chef", "participant": "guest"}
            | {"answer": 0, "gender": "female"}
        ],
        "occupations": [
            {"occupation": "chef", "bergsma_pct_female": 6.66}
            | {"bls_pct_female": 19.6, "bls_year": 2015}
        ],
    }


# ---------------------------------------------------------------- no harm


def test_paths_in_an_archive_are_read_and_never_written(tmp_path, monkeypatch):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    entries = {
        "../../evil.txt": b"x\n",
        str(tmp_path / "evil2.txt"): b"y\n",
        "udhr2/eng.txt": b"z\n",
    }
    found = parsed("udhr", {"udhr2.zip": archive(entries)})
    assert found == {"eng": "z\n", "evil": "x\n", "evil2": "y\n"}
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_part_that_is_not_asked_for_is_not_read():
    asked: list[str] = []

    def read(name: str) -> bytes:
        asked.append(name)
        return b'{"question": "q", "answer": "#### 1"}\n'

    parts = PARSERS["gsm8k"](("train.jsonl", "test.jsonl"), read)
    assert list(parts) == ["train", "test"]
    assert asked == []
    assert parts["test"]()[0]["final"] == 1
    assert asked == ["test.jsonl"]


def test_nothing_here_evaluates_what_it_reads():
    source = Path(__file__).parents[2].joinpath("gptcore/datasets/parse.py").read_text("utf-8")
    for word in ("eval(", "exec(", "pickle", "extract", "yaml", "subprocess"):
        assert word not in source
