"""Find a Chromium that runs on this machine, or provide one."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


@cache
def find() -> str | None:
    """Look for a system Chromium or Chrome, then for Playwright's own.

    Returns:
        The path of an executable that answers `--version`, or None.
    """
    candidates = [shutil.which(name) for name in NAMES]
    candidates += [place for place in PLACES if Path(place).exists()]
    candidates.append(_playwrights_own())
    return next((path for path in candidates if path and _runs(path)), None)


def provide() -> str | None:
    """Fetch Playwright's Chromium or, as root on Debian, the distribution's package.

    Returns:
        The path of a browser that runs, or None if none could be had.
    """
    from sys import executable

    attempts = [[executable, "-m", "playwright", "install", "chromium"]]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        attempts.append(["apt-get", "update", "-qq"])
        attempts.append(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])
    for command in attempts:
        print(f"no browser yet; trying: {' '.join(command)}", flush=True)
        try:
            subprocess.run(command, check=False, timeout=900)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"that failed: {error}", flush=True)
        find.cache_clear()
        if find():
            return find()
    return None


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _runs(path: str) -> bool:
    # Ubuntu puts a script of this name on the path that only says where to get the browser.
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and b"hrom" in done.stdout
