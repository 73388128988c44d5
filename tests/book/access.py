"""What keeps a page from readers who cannot see, point, or tell its colours: by axe-core."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OPTIONS = {
    "resultTypes": ["violations"],
    "preload": False,  # of style sheets, which a page on the disk may not fetch
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}


def access_complaints(page: Page) -> list[str]:
    """List the faults of a page that axe-core calls serious or critical, an element each."""
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:120]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
