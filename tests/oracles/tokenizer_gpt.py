"""Record the part of OpenAI's vocabularies that the golden texts of GPT-1 and GPT-2 need.

    python tests/oracles/tokenizer_gpt.py FOLDER > tests/oracles/tokenizer_gpt.json

FOLDER holds encoder_bpe_40000.json and vocab_40000.bpe (github.com/openai/finetune-transformer-lm,
model/) and GPT-2's encoder.json and vocab.bpe, as published. The ids of the golden texts are those
of transformers' slow `OpenAIGPTTokenizer` (with ftfy 6.3.1 and spaCy 3.8) and `GPT2Tokenizer` on
these files. Nothing of gptcore is used here.
"""

import json
import sys
from pathlib import Path

GOLDEN = {
    "gpt1": {
        "Hello, my dog is cute.": "3570 240 547 2585 544 4957 239",
        "the cat sat on the mat": "481 3387 1305 504 481 7677",
        "I don't know — it's 3.14159…": "249 587 538 699 260 507 535 19243 15582 14792 291 749",
        "line one\nline two": "1584 566 40477 1584 867",
        "  two  spaces": "867 12696",
        "The quick brown fox jumps over the lazy dog": (
            "481 2279 2507 8573 11670 715 481 8447 2585"
        ),
        "unbelievable": "11706",
        "GPT-2's tokenizer: naïve café 你好!": (
            "30 1992 260 280 535 571 2987 4712 483 271 24213 13550 0 0 267"
        ),
    },
    "gpt2": {
        "Hello, my dog is cute.": "15496 11 616 3290 318 13779 13",
        "the cat sat on the mat": "1169 3797 3332 319 262 2603",
        "I don't know — it's 3.14159…": "40 836 470 760 851 340 338 513 13 1415 19707 1399",
        "GPT-2's tokenizer: naïve café 你好!": (
            "38 11571 12 17 338 11241 7509 25 41492 40304 220 19526 254 25001 121 0"
        ),
        "line one\nline two": "1370 530 198 1370 734",
        "  two  spaces": "220 734 220 9029",
        "unbelievable": "403 6667 11203 540",
        "We'LL we'll": "1135 6 3069 356 1183",
    },
}
FILES = {
    "gpt1": ("encoder_bpe_40000.json", "vocab_40000.bpe"),
    "gpt2": ("encoder.json", "vocab.bpe"),
}


def merges_within(token: str, ranks: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    """The merges that make a token of its characters, by the definition of BPE."""
    ends = token.endswith("</w>")
    symbols = list(token.removesuffix("</w>"))
    if ends and symbols:
        symbols[-1] += "</w>"
    used = []
    while len(symbols) > 1:
        pair = min(zip(symbols, symbols[1:], strict=False), key=lambda p: ranks.get(p, len(ranks)))
        if pair not in ranks:
            break
        used.append(pair)
        i = list(zip(symbols, symbols[1:], strict=False)).index(pair)
        symbols[i : i + 2] = ["".join(pair)]
    return used


def record(folder: Path, name: str) -> dict:
    """Golden texts with their ids, and base symbols and merges, each with its id."""
    encoder, merges = FILES[name]
    vocab = json.loads((folder / encoder).read_text(encoding="utf-8"))
    lines = (folder / merges).read_text(encoding="utf-8").split("\n")[1:-1]
    ranks = {tuple(line.split(" ")): rank for rank, line in enumerate(lines)}
    tokens = {i: token for token, i in vocab.items()}
    golden = {text: [int(i) for i in ids.split()] for text, ids in GOLDEN[name].items()}
    needed = {tokens[i] for ids in golden.values() for i in ids}
    used = {pair for token in needed for pair in merges_within(token, ranks)}
    made = {"".join(pair) for pair in used}
    base = needed | {part for pair in used for part in pair}
    return {
        "golden": golden,
        "base": {token: vocab[token] for token in sorted(base - made, key=vocab.get)},
        "merges": [[*pair, vocab["".join(pair)]] for pair in sorted(used, key=ranks.get)],
    }


if __name__ == "__main__":
    found = {name: record(Path(sys.argv[1]), name) for name in FILES}
    print(json.dumps(found, ensure_ascii=False, indent=1))
