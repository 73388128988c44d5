"""Vocabularies and texts on which a page must give the package's ids; how to ask its script."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import fuzz_texts
from fuzz_texts import CHARACTERS, LONG, fuzz
from node import node
from test_tokenizer import HARD, MIRROR, OPENAI_FILES, ORACLES, of_oracle

from gptcore.checkpoint.shipped import folder
from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.words import without_lone_surrogates

PROSE = fuzz_texts.PROSE[:20_000]
LONE = ["\ud800", "a\udfffb", "\ud83d\ude00", "\ude00\ud83d", "x \ud800\ud800 y", "\ufeff\ufeffa"]
GREEK = ["ΟΔΟΣ", "Σ", "ΣΑΣ Σ", "Α.Σ", "Α\u0301Σ.Σ", "ΑΣ\u0301", "ʰΣ", "İΣ", "ΑΣ1 ΑΣ'Α", "Α'Σ"]
SPACES = [f"a{c}b {c} {c}\n{c}c{c}" for c in map(chr, [*range(33), 0x7F, 0x85, 0xA0])]
SPACES += [f"a{c}b {c} {c}\n{c}c{c}" for c in "\u180e\u200b\u2028\u2029\u3000\ufeff"]


def in_node(script: str, twin: str, **given: Any) -> Any:
    """What a script of tests/js answers, in Node, to the state of a twin and what else is given."""
    state = re.search(r'<script type="application/json">(.*?)</script>', twin)[1]
    asked = f'{{"state":{state},{json.dumps(given)[1:]}'  # lone surrogates as \ud800
    path = Path(__file__).parent / "js" / script
    done = subprocess.run([node(), path], input=asked.encode(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def small() -> dict[str, Tokenizer | str]:
    """Vocabularies that need no file of others: recorded, shipped, and trained here."""
    gpt1, gpt2 = (of_oracle(name, splitter=s)[0] for name, s in (("gpt1", "plain"), ("gpt2", None)))
    greek = " ".join(GREEK) * 9
    return {
        "Characters": "characters",
        "Bytes": "bytes",
        "GPT-1, recorded": gpt1,
        "GPT-2, recorded": gpt2,
        "Tales": Tokenizer.load(folder("tales-gpt1")),
        "bytes, trained": Tokenizer.train(PROSE + " Ünïcödé 你好 \n\n\n    " * 9, 900),
        "words, trained": Tokenizer.train(PROSE + greek, 900, kind="word", splitter="plain"),
        "shuffled ids": shuffled(Tokenizer.train(PROSE, 600)),
    }


def published() -> dict[str, Tokenizer]:
    """GPT-1's and GPT-2's own, where the mirror has them; GPT-1's with the plain splitter."""
    if not MIRROR:
        return {}
    files = {n: [Path(MIRROR) / file for file in files] for n, files in OPENAI_FILES.items()}
    gpt1, gpt2 = (Tokenizer.from_openai(*files[name]) for name in ("gpt1", "gpt2"))
    vocab = {gpt1.token_str(i): i for i in range(gpt1.vocab_size)}
    plain = Tokenizer(vocab, gpt1.merges, kind="word", splitter="plain")
    return {"GPT-1": plain, "GPT-2": gpt2}


def shuffled(tokenizer: Tokenizer) -> Tokenizer:
    """The same with ids that follow no order."""
    size = tokenizer.vocab_size - 1
    ids = {tokenizer.token_str(i): (i * 7) % size for i in range(size)}
    assert len(set(ids.values())) == size
    return Tokenizer(ids, tokenizer.merges)


def texts() -> list[str]:
    """The tokenizers' fuzz corpus and what is hard about texts, long words cut to 1,500 signs."""
    scripts = CHARACTERS[::61]
    found = [*fuzz(0, 150), *HARD, *LONE, *GREEK, *SPACES, *(text[:1500] for text in LONG.values())]
    found += [*ORACLES["gpt1"]["golden"], *ORACLES["gpt2"]["golden"], PROSE[:2000]]
    return found + [
        " ".join(f"a{c}{c}1 {c} !{c}Σ {c}n't" for c in scripts[start : start + 500])
        for start in range(0, len(scripts), 500)
    ]


def expected(vocabulary: Tokenizer | str, text: str) -> list[int]:
    """The ids by Python: its own code points and bytes, or the package's encoder."""
    if vocabulary == "characters":
        return [ord(char) for char in without_lone_surrogates(text)]
    if vocabulary == "bytes":
        return list(without_lone_surrogates(text).encode())
    return vocabulary.encode(text)


def differences(vocabularies: dict, ids: list[list[list[int]]], samples: list[str]) -> list[str]:
    """Which texts have other ids in the page than in the package."""
    return [
        f"{name}: {text[:60]!a} has {got[:9]}, expected {want[:9]}"
        for (name, vocabulary), found in zip(vocabularies.items(), ids, strict=True)
        for text, got in zip(samples, found, strict=True)
        if got != (want := expected(vocabulary, text))
    ]
