"""What a command read and what it left out is told, in lines of its own on stderr."""

import warnings

from small_models import make

from gptcore import checkpoint
from gptcore.__main__ import main
from gptcore.tokenizer import Tokenizer


def test_evaluate_says_what_it_read(tmp_path, capsys):
    own = Tokenizer.train("one day a fox ran home " * 20, 270)
    checkpoint.save(tmp_path / "model", make(vocab_size=270), own)
    notes = tmp_path / "notes"
    (notes / ".git").mkdir(parents=True)
    (notes / ".git" / "info.md").write_text("git")
    (notes / "a.txt").write_bytes(b"one day a fox\r\nran home " * 9)
    (notes / "b.txt").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # as for a user; this suite makes errors of them
        assert main(["evaluate", str(tmp_path / "model"), "--text", str(notes)]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"gptcore: reads {notes / 'a.txt'}, 0.00 MB; left out: ")
    assert f"{notes / '.git'} (hidden)" in told[0] and f"{notes / 'b.txt'} (empty)" in told[0]
    assert told[1:] == [
        f"gptcore: {notes / 'b.txt'}: empty, left out",
        f"gptcore: {notes / 'a.txt'}: line ends \\r\\n or \\r, read as \\n",
    ]
