"""What the book opens with: every claim as a dot that leads to its cell."""

import re

import door
from browsing import watch
from execute import BUILD
from playwright.sync_api import Browser

from gptcore.show.evidence import anchor

CHAPTERS = [
    {"page": "book/01_a", "title": "A", "records": [{"claim": "It <falls>.", "holds": True}]},
    {
        "page": "book/02_b",
        "title": "B",
        "records": [{"claim": "It rises.", "holds": None}, {"claim": "It stays.", "holds": False}],
    },
]


def test_each_claim_is_a_link_in_the_row_of_its_verdict() -> None:
    """Three rows with their counts; a claim's words are escaped, in the title as on the page."""
    found = door.dots(CHAPTERS, lambda page: page.split("/")[1] + ".html")
    rows = re.findall(r'<p class="gpt-dots (\w+)"><b>(.*?)</b> (.*?)</p>', found)
    assert [(name, told) for name, told, _ in rows] == [
        ("holds", "1 hold"),
        ("fails", "1 do not hold"),
        ("open", "1 stay open"),
    ]
    assert f'href="02_b.html#{anchor("It stays.")}"' in rows[1][2]
    assert "It &lt;falls&gt;." in rows[0][2] and "<falls>" not in found


def test_no_claim_is_no_row() -> None:
    """A book without claims has no empty rows."""
    assert door.dots([], str) == ""


def test_the_first_page_takes_a_sentence(browser: Browser) -> None:
    """On the built intro, on a phone, from the disk: a sentence that is typed is read within ten
    seconds, heads and all, with nothing amiss; every dot leads to a claim of the book."""
    html = BUILD / "html"
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    seen = watch(context, f"{html.as_uri()}/")
    page = seen.open("book/intro.html")
    page.locator(".gpt-writer textarea").fill("Tom lost the key, and Rosa")
    page.wait_for_function(
        "document.querySelector('.wr-text').textContent.includes('lost')", timeout=10_000
    )
    assert page.locator(".wr-heads button").count() == 16
    links = page.eval_on_selector_all(
        ".gpt-dots a", "all => all.map((a) => a.getAttribute('href'))"
    )
    assert len(links) > 50
    texts: dict[str, str] = {}
    for address in links:
        name, place = address.split("#")
        assert f'id="{place}"' in texts.setdefault(
            name, (html / "book" / name).read_text("utf-8")
        ), address
    assert seen.complaints == []
    context.close()
