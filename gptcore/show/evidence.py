"""One row of evidence: a paper's claim, what the paper says, what we measured, and the verdict.

`evidence` puts the row on the page as a card and, beside it, as a record that programs read (the
MIME type `RECORD`). The record stays in the notebooks that git keeps: the page of all claims is
gathered from records, and a test compares the verdicts in git with those of a fresh run. So a
verdict cannot change unnoticed, and no list of expected verdicts has to be kept by hand.

The plain text carries the measured numbers, which differ a little between machines, and git
keeps fewer forms of an output than a run makes: a cell that calls `evidence` is never tagged
`nbval-check-output`. What must hold is asserted in the cell, as everywhere.

Source: ours.
"""

import html
import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from IPython.display import display

__all__ = ["RECORD", "anchor", "card", "evidence", "plain", "style"]

RECORD = "application/vnd.gptcore.evidence+json"
VERDICTS = {True: "holds", False: "does not hold", None: "open at this scale"}
# Told apart by shape: a disc with a tick, a square with a cross, a broken ring.
MARKS = {
    True: '<circle cx="8" cy="8" r="7"/><path d="M4.8 8.4l2.2 2.3 4.2-5"/>',
    False: '<rect x="1.5" y="1.5" width="13" height="13"/><path d="M5 5l6 6M11 5l-6 6"/>',
    None: '<circle cx="8" cy="8" r="6.8" stroke-dasharray="3.2 2.14"/>',
}
STYLE = Path(__file__).parent / "static" / "evidence.css"


def evidence(
    claim: str,
    *,
    paper: str | float,
    measured: str | float,
    holds: bool | None,
    source: str,
    scale: str,
    seed: int | Sequence[int] | None = None,
    interval: tuple[float, float] | None = None,
    record: Mapping[str, Any] | None = None,
    note: str = "",
) -> None:
    """Show one "paper says / we measured / holds?" row and record it in the cell's output.

    Args:
        claim: the claim in one plain sentence; the same sentence stands once in the book.
        paper: what the paper says: a number, or a few words.
        measured: what the cell measured: a number, or a few words. Give numbers their unit by
            writing words, such as f"{loss:.2f} nats per token".
        holds: the verdict, computed by the cell; None if it stays open at this scale.
        source: where the claim stands, such as "GPT-1 §4.1".
        scale: at which size we measured, in a few words, such as "0.7M parameters, laptop".
        seed: the seed or seeds behind the measurement, if chance had a part in it.
        interval: (low, high) around a measured number, over the seeds and test items.
        record: of a measurement on record: {"command": ..., "minutes": ... where known}, such as
            `Record.origin`; None for what the cell measures live.
        note: what differs from the paper's experiment; required when `holds` is None.

    Raises:
        ValueError: if a text is empty, a number is not finite, the interval is not around the
            measured number, or an open verdict comes without a note.
        TypeError: if `holds` is no bool and not None, `seed` no whole number, or a value is
            neither text nor number.
    """
    _check({"claim": claim, "source": source, "scale": scale}, holds, note)
    row = {
        "claim": _one_line(claim),
        "paper": _value("paper", paper),
        "measured": _value("measured", measured),
        "interval": _interval(interval, measured),
        "holds": holds,
        "source": _one_line(source),
        "scale": _one_line(scale),
        "seed": _seed(seed),
        "basis": _basis(record),
        "note": _sentence(note),
    }
    page = f"<style>{style()}</style>{card(row)}"
    display({RECORD: row, "text/html": page, "text/plain": plain(row)}, raw=True)


def plain(record: dict[str, Any]) -> str:
    """The row as text: one labelled line per part.

    Args:
        record: what `evidence` recorded.

    Returns:
        Lines such as "Verdict      does not hold".
    """
    parts = {
        "Claim": record["claim"],
        "Paper says": f"{_text(record['paper'])} ({record['source']})",
        "We measured": _text(record["measured"]) + _range(record),
        "Verdict": VERDICTS[record["holds"]],
        "Scale": _scale(record),
        "Basis": _measured(record),
        "Note": record["note"],
    }
    return "\n".join(f"{label:12} {text}" for label, text in parts.items() if text)


def card(record: dict[str, Any], link: str = "") -> str:
    """The row as HTML, readable with and without its style sheet.

    Args:
        record: what `evidence` recorded.
        link: address of the cell that measured it; with one, the claim becomes a link, and
            without one the card gets the anchor that such links lead to.

    Returns:
        One `div` element; every text in it is escaped.
    """
    say = {name: html.escape(_text(record[name])) for name in ("claim", "paper", "measured")}
    source = html.escape(record["source"])
    claim, place = say["claim"], f' id="{anchor(record["claim"])}"'
    if link:
        claim, place = f'<a href="{html.escape(link)}">{claim}</a>', ""
    spread = f' <span class="interval">{html.escape(_range(record).strip())}</span>'
    verdict = VERDICTS[record["holds"]]
    mark = (
        '<svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke="currentColor" '
        f'stroke-width="1.6">{MARKS[record["holds"]]}</svg>'
    )
    kind = {True: "holds", False: "fails", None: "open"}[record["holds"]]
    about = html.escape(f"{_scale(record)}. {record['note']}".rstrip(". "))
    said = html.escape(_measured(record))
    basis = f'<span class="basis">{said[:1].upper()}{said[1:]}.</span>'
    return (
        f'<div class="gpt-evidence {kind}"{place}><p class="claim">{claim}</p><dl>'
        f"<div><dt>Paper says</dt><dd>{say['paper']} <cite>{source}</cite></dd></div>"
        f"<div><dt>We measured</dt><dd>{say['measured']}{spread if record['interval'] else ''}"
        f'</dd></div><div><dt>Verdict</dt><dd class="verdict">{mark}{verdict}</dd></div></dl>'
        f'<p class="about">{basis} Scale: {about}.</p></div>'
    )


def anchor(claim: str) -> str:
    """The address of a claim's card within its page, made of the first words of the claim."""
    words = re.sub(r"[^a-z0-9]+", "-", claim.lower()).strip("-")
    return f"claim-{words[:60].rstrip('-')}"


def style() -> str:
    """The cards' style sheet, without line breaks: it travels with every card."""
    return re.sub(r"\s*\n\s*", "", STYLE.read_text("utf-8"))


def _check(texts: dict[str, str], holds: bool | None, note: str) -> None:
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"evidence: {name} must say something, got {text!r}")
    if holds is not None and not isinstance(holds, bool):
        raise TypeError(
            f"evidence: holds must be True, False or None, got {holds!r} of type "
            f"{type(holds).__name__}; write bool(...) around a tensor's or an array's verdict"
        )
    if holds is None and not note.strip():
        raise ValueError("evidence: holds=None leaves the claim open, and note must say why")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    text = _one_line(text)
    return text[:1].upper() + text[1:]


def _value(name: str, value: Any) -> str | int | float:
    if isinstance(value, str):
        if not value.strip():
            raise ValueError(f"evidence: {name} must say something, got {value!r}")
        return _one_line(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"evidence: {name} must be text or a number, got {value!r}")
    return value if isinstance(value, int) else _rounded(name, float(value))


def _interval(interval: tuple[float, float] | None, measured: Any) -> list[float] | None:
    if interval is None:
        return None
    if isinstance(measured, str):
        raise TypeError(f"evidence: an interval needs a measured number, got {measured!r}")
    if len(interval) != 2:
        raise ValueError(f"evidence: interval is (low, high), got {interval!r}")
    low, high = (_rounded("interval", float(end)) for end in interval)
    if not interval[0] <= measured <= interval[1]:
        raise ValueError(
            f"evidence: the interval must contain the measured number, got {measured} and "
            f"{low} to {high}"
        )
    return [low, high]


def _seed(seed: Any) -> int | list[int] | None:
    seeds = list(seed) if isinstance(seed, Sequence) and not isinstance(seed, str) else [seed]
    if seed is not None and not all(isinstance(one, int) for one in seeds):
        raise TypeError(f"evidence: seed must be a whole number, several or None, got {seed!r}")
    return seeds if isinstance(seed, Sequence) else seed


def _basis(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if record is None:
        return None
    if not record.get("command"):
        raise ValueError(
            f"evidence: record={dict(record)!r} must say by which command it was measured"
        )
    minutes = record.get("minutes")
    known = None if minutes is None else round(float(minutes), 1)
    return {"command": _one_line(record["command"]), "minutes": known}


def _measured(record: dict[str, Any]) -> str:
    """Live, or on record by which command."""
    basis = record.get("basis")
    if not basis:
        return "live"
    minutes = basis["minutes"]
    took = "" if minutes is None else f", {_text(minutes)} minutes"
    return f"on record, {basis['command']}{took}"


def _rounded(name: str, value: float) -> float:
    """Four decimals, or three digits of a number so small that four decimals would lose it."""
    if not math.isfinite(value):
        raise ValueError(f"evidence: {name} must be a finite number, got {value}")
    return round(value, 4) if abs(value) >= 0.01 else float(f"{value:.3g}")


def _text(value: str | int | float) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    if value and abs(value) < 0.001:
        digits, power = f"{value:.2e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    whole, _, decimals = f"{value:,.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0')}".rstrip(".")


def _range(record: dict[str, Any]) -> str:
    if not record["interval"]:
        return ""
    low, high = map(_text, record["interval"])
    return f" ({low} to {high})"


def _scale(record: dict[str, Any]) -> str:
    seeds = record["seed"]
    if seeds is None:
        return record["scale"]
    if isinstance(seeds, int):
        return f"{record['scale']}, seed {seeds}"
    return f"{record['scale']}, seeds {', '.join(map(str, seeds))}"
