"""A checkout has the bytes that were committed, also where git turns line ends into CRLF."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WINDOWS = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf", "-c", "core.safecrlf=false"]
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *args):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", folder, *WINDOWS, *who, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("protected", [True, False])
def test_a_checkout_on_windows_changes_no_byte(tmp_path, protected):
    """Also the negative control: without .gitattributes it does."""
    made = {
        "a.py": b"x = 1\n",
        "a.json": b"{\n}\n",
        "LICENSE": b"free\n",
        "merges.txt": b"a b\n",
        "model.safetensors": b"{}\n1\n",
        "oracle.npz": b"PK\n\n",
        "picture.png": b"\x89PNG\r\n\x1a\n",
        "font.woff2": b"wOF2\n",
    }
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    git(here, "init", "-q")
    if protected:
        shutil.copy(ROOT / ".gitattributes", here)
    for name, content in made.items():
        (here / name).write_bytes(content)
    git(here, "add", ".")
    git(here, "commit", "-q", "-m", "files")
    git(tmp_path, "clone", "-q", str(here), str(there))
    changed = [name for name, content in made.items() if (there / name).read_bytes() != content]
    assert (changed == []) is protected, changed


def test_every_file_of_the_repository_is_protected():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    lines = git(ROOT, "ls-files", "--eol").splitlines()
    assert len(lines) > 100
    for line in lines:  # i/lf w/lf attr/text=auto eol=lf<TAB>name
        facts, _, name = line.partition("\t")
        in_index, _, attributes = facts.split(maxsplit=2)
        assert "eol=lf" in attributes or "attr/-text" in attributes, line
        assert in_index in ("i/lf", "i/none", "i/-text"), f"{name} holds CRLF"
