"""Rows of evidence: what a cell records, shows and prints, and what it refuses."""

import json
import sys

import pytest

from gptcore.show import evidence as show_evidence
from gptcore.show.evidence import RECORD, anchor, card, evidence, plain, style

ROW = {
    "claim": "An untrained network is as uncertain as a fair choice.",
    "paper": "N(0, 0.02)",
    "measured": 7.632349,
    "holds": True,
    "source": "GPT-1 §4.1",
    "scale": "0.7M parameters",
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What was displayed, all forms of it."""
    forms = []
    module = sys.modules["gptcore.show.evidence"]
    monkeypatch.setattr(module, "display", lambda data, raw: forms.append(data))
    return forms


def record(shown: list[dict], **changes) -> dict:
    """The record of a row that differs from ROW in some fields."""
    evidence(**{**ROW, **changes})
    return shown[-1][RECORD]


def test_the_package_offers_it() -> None:
    """Chapters import it from gptcore.show, beside the charts."""
    assert show_evidence is evidence


def test_one_row_in_three_forms(shown: list[dict]) -> None:
    """Worked example: the record, the plain text and the card of one row."""
    got = record(shown, interval=(7.6, 7.66001), seed=[0, 1], note="no training")
    assert got == {
        "claim": "An untrained network is as uncertain as a fair choice.",
        "paper": "N(0, 0.02)",
        "measured": 7.6323,
        "interval": [7.6, 7.66],
        "holds": True,
        "source": "GPT-1 §4.1",
        "scale": "0.7M parameters",
        "seed": [0, 1],
        "basis": None,
        "note": "No training",
    }
    assert json.loads(json.dumps(got)) == got
    assert shown[-1]["text/plain"] == (
        "Claim        An untrained network is as uncertain as a fair choice.\n"
        "Paper says   N(0, 0.02) (GPT-1 §4.1)\n"
        "We measured  7.6323 (7.6 to 7.66)\n"
        "Verdict      holds\n"
        "Scale        0.7M parameters, seeds 0, 1\n"
        "Basis        live\n"
        "Note         No training"
    )
    page = shown[-1]["text/html"]
    assert page == f"<style>{style()}</style>{card(got)}"
    for part in ("N(0, 0.02)", "GPT-1 §4.1", "7.6323", "(7.6 to 7.66)", "holds", "seeds 0, 1"):
        assert part in card(got)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (116_534_784, "116,534,784"),
        (18.4, "18.4"),
        (18.0, "18"),
        (0.69314718, "0.6931"),
        (-1234.5, "-1,234.5"),
        (0, "0"),
        (0.0, "0"),
        (2.5e-4, "2.5e-4"),
        (0.0123456, "0.0123"),
        (1.23456e-5, "1.23e-5"),
        (-6e-10, "-6e-10"),
        ("40,478 tokens", "40,478 tokens"),
    ],
)
def test_numbers_print_with_four_decimals_at_most(shown: list[dict], value, text: str) -> None:
    """Last digits differ across machines; a number too small for four decimals keeps three."""
    assert f"\nWe measured  {text}\n" in plain(record(shown, measured=value))


@pytest.mark.parametrize(
    ("holds", "word", "kind"),
    [(True, "holds", "holds"), (False, "does not hold", "fails"), (None, "open at this", "open")],
)
def test_each_verdict_has_its_word_and_its_shape(shown, holds, word: str, kind: str) -> None:
    """Read without colour: three words, three drawings, three classes."""
    row = record(shown, holds=holds, note="too small")
    others = [record(shown, holds=h, note="too small") for h in (True, False, None) if h != holds]
    assert row["holds"] is holds and f"\nVerdict      {word}" in plain(row)
    assert f'class="gpt-evidence {kind}"' in card(row)
    assert f"</svg>{word}" in card(row)
    drawing = card(row).split("<svg")[1].split("</svg>")[0]
    assert all(drawing not in card(other) for other in others)


def test_text_is_shown_as_text(shown: list[dict]) -> None:
    """Markup in any field reaches the page escaped, in the record as it is."""
    evil = '<script>alert("1")</script>'
    row = record(shown, claim=evil, paper=evil, measured=evil, source=evil, scale=evil, note=evil)
    assert "<script" not in shown[-1]["text/html"]
    assert card(row).count("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;") == 6
    assert row["claim"] == evil
    linked = card(row, link='x"><script>')
    assert "<script" not in linked


def test_a_claim_has_an_address_and_a_card_elsewhere_links_to_it(shown: list[dict]) -> None:
    """The same name on both sides; the page of all claims repeats no address."""
    row = record(shown, claim="GPT-1's N(0, 0.02) is a standard deviation.")
    name = "claim-gpt-1-s-n-0-0-02-is-a-standard-deviation"
    assert anchor(row["claim"]) == name and f' id="{name}"' in card(row)
    elsewhere = card(row, link=f"05_pretraining.html#{name}")
    assert f'href="05_pretraining.html#{name}"' in elsewhere and " id=" not in elsewhere
    assert len(anchor("word " * 50)) <= 66 and not anchor("word " * 50).endswith("-")


def test_line_breaks_of_the_source_do_not_reach_the_row(shown: list[dict]) -> None:
    """A claim broken over two lines of a cell is one sentence, and empty parts leave no line."""
    row = record(shown, claim=" One\n    claim. ", note="")
    assert row["claim"] == "One claim." and "Note" not in plain(row)
    assert "Live.</span> Scale: 0.7M parameters.</p>" in card(row)


def test_the_style_sheet_stays_in_its_card() -> None:
    """Every rule is about the card, so a notebook's other outputs keep their look."""
    rules = style().replace("@container (min-width: 32rem) {", "").split("}")
    selectors = [rule.split("{")[0] for rule in rules if "{" in rule]
    assert len(selectors) > 10 and all(".gpt-evidence" in selector for selector in selectors)
    assert "</" not in style() and "http" not in style()


REFUSED = {
    "no claim": ({"claim": "  "}, ValueError, "claim must say something, got '  '"),
    "claim no text": ({"claim": 3}, ValueError, "claim must say something, got 3"),
    "no source": ({"source": ""}, ValueError, "source must say something"),
    "no scale": ({"scale": ""}, ValueError, "scale must say something"),
    "no paper": ({"paper": " "}, ValueError, "paper must say something, got ' '"),
    "nothing measured": ({"measured": ""}, ValueError, "measured must say something"),
    "nan": ({"measured": float("nan")}, ValueError, "measured must be a finite number, got nan"),
    "infinite": ({"paper": float("inf")}, ValueError, "paper must be a finite number, got inf"),
    "nan end": ({"interval": (7.0, float("nan"))}, ValueError, "interval must be a finite number"),
    "verdict as measure": ({"measured": True}, TypeError, "measured must be text or a number"),
    "list measured": ({"measured": [1]}, TypeError, "must be text or a number, got [1]"),
    "word verdict": ({"holds": "yes"}, TypeError, "holds must be True, False or None, got 'yes'"),
    "number verdict": ({"holds": 1}, TypeError, "True, False or None, got 1 of type int"),
    "open": ({"holds": None}, ValueError, "leaves the claim open, and note must say why"),
    "outside": ({"interval": (7.7, 7.8)}, ValueError, "got 7.632349 and 7.7 to 7.8"),
    "above": ({"interval": (7.0, 7.5)}, ValueError, "must contain the measured number, got 7.63"),
    "upside down": ({"interval": (7.7, 7.6)}, ValueError, "must contain the measured number"),
    "three ends": ({"interval": (7, 8, 9)}, ValueError, "interval is (low, high), got (7, 8, 9)"),
    "interval of words": (
        {"measured": "much", "interval": (1, 2)},
        TypeError,
        "needs a measured number, got 'much'",
    ),
    "no command": ({"record": {"minutes": 3}}, ValueError, "must say by which command it was"),
    "seed of words": ({"seed": "zero"}, TypeError, "seed must be a whole number, several or None"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refused_with_a_reason_and_nothing_shown(shown: list[dict], fault: str) -> None:
    """Each rule is named with the value that broke it, and no half row is left behind."""
    changes, kind, reason = REFUSED[fault]
    with pytest.raises(kind) as caught:
        evidence(**{**ROW, **changes})
    assert str(caught.value).startswith("evidence: ") and reason in str(caught.value)
    assert shown == []


def test_a_card_says_whether_it_was_measured_live(shown: list[dict]) -> None:
    """What rests on a record names the command and its minutes; a row of an earlier version,
    which knew no such thing, is live."""
    origin = {"command": "python data/measure.py labels", "minutes": 12.345}
    row = record(shown, record=origin)
    assert row["basis"] == {"command": "python data/measure.py labels", "minutes": 12.3}
    said = "n record, python data/measure.py labels, 12.3 minutes"
    assert f"\nBasis        o{said}" in plain(row) and f">O{said}.</span>" in card(row)
    del row["basis"]
    assert "\nBasis        live" in plain(row)
    assert "Basis        on record, x\n" in plain(record(shown, record={"command": "x"})) + "\n"


def test_a_tensors_verdict_is_refused_with_the_cure(shown: list[dict]) -> None:
    """A tensor is no bool: JSON could not hold it, and `is True` would be False."""
    import torch

    with pytest.raises(TypeError, match=r"got tensor\(True\) of type Tensor; write bool\(...\)"):
        evidence(**{**ROW, "holds": torch.tensor(1) > 0})
