"""The page of claims is chosen from by verdict and part; the address keeps the choice."""

from pathlib import Path

import pytest
from browsing import watch, width_complaints
from playwright.sync_api import Browser, Page
from small_book import DESK, PHONE, build


def row(claim: str, holds: bool | None) -> dict:
    """A record of evidence."""
    return {
        "claim": claim, "paper": 1, "measured": 2, "interval": None, "holds": holds,
        "source": "P1 §1", "scale": "tiny", "seed": 0, "basis": None, "note": "A note.",
    }  # fmt: skip


CLAIMS = [
    {"page": "book/04_a", "title": "04 · A", "records": [
        row("Apples fall.", True), row("Birds fall.", False)]},
    {"page": "book/08_b", "title": "08 · B", "records": [
        row("Cats fall.", True), row("Dogs fall.", None), row("Eels fall.", True)]},
]  # fmt: skip
PAGES = {
    "claims": "# All claims\n\n```{claims}\n```",
    "04_a": "# 04 · A\n\nText.",
    "08_b": "# 08 · B\n\nText.",
}


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small book, built without a warning."""
    folder = tmp_path_factory.mktemp("claims")
    home, said = build(folder, PAGES, {"GPT-1": ["04_a"], "GPT-2": ["08_b"]}, claims=CLAIMS)
    assert (home / "book" / "claims.html").exists() and "WARNING" not in said, said
    return home


def shown(page: Page) -> list[str]:
    """The first words of the cards that are seen."""
    cards = page.locator(".gpt-claims .gpt-evidence:visible .claim")
    return [text.split()[0] for text in cards.all_inner_texts()]


def test_verdict_and_part_choose_and_stand_in_the_address(browser: Browser, html: Path) -> None:
    """Failures first; buttons count; two choices meet; the address brings them back."""
    context = browser.new_context(**DESK)
    seen = watch(context, f"{html.as_uri()}/")
    page = seen.open("book/claims.html")
    assert shown(page) == ["Birds", "Apples", "Dogs", "Cats", "Eels"]
    assert [t.split()[0] for t in page.locator(".gpt-unheld a").all_inner_texts()] == [
        "Birds",
        "Dogs",
    ]
    verdicts = page.locator(".gpt-choose button[aria-pressed]").all_inner_texts()
    assert verdicts[:3] == ["does not hold (1)", "open (1)", "holds (3)"]
    page.get_by_role("button", name="holds (3)", exact=True).click()
    assert shown(page) == ["Apples", "Cats", "Eels"] and not page.locator("#not-held").is_visible()
    page.get_by_role("button", name="GPT-2 (2)").press("Enter")
    assert shown(page) == ["Cats", "Eels"]
    assert page.inner_text(".gpt-choose-said") == "2 of 5 claims."
    assert page.url.endswith("#show=holds&part=GPT-2")
    assert not page.locator("#claims-04-a").is_visible()
    page.reload()
    assert shown(page) == ["Cats", "Eels"]
    page.get_by_role("button", name="Show all").click()
    assert len(shown(page)) == 5 and "#" not in page.url
    assert seen.complaints == []
    context.close()


def test_on_a_phone_an_address_of_a_heading_chooses_nothing(browser: Browser, html: Path) -> None:
    """A tap chooses; nothing sticks out; a link to a chapter's claims shows them all."""
    context = browser.new_context(**PHONE, color_scheme="dark")
    seen = watch(context, f"{html.as_uri()}/")
    page = seen.open("book/claims.html#claims-08-b")
    assert len(shown(page)) == 5
    page.get_by_role("button", name="open (1)").tap()
    assert shown(page) == ["Dogs"] and width_complaints(page) == [] == seen.complaints
    context.close()


def test_without_a_script_every_claim_is_there(browser: Browser, html: Path) -> None:
    """The plain page has all cards and no button that does nothing."""
    context = browser.new_context(**DESK, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{html.as_uri()}/book/claims.html")
    assert len(shown(page)) == 5 and page.locator(".gpt-choose").count() == 0
    context.close()
