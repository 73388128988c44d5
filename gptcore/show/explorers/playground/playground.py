"""The tokenizer playground: any text, cut by several vocabularies side by side, merge by merge.

Everything runs in the page (`playground.js`), without a kernel, by what
`gptcore.show.explorers.shared.tokens` packs for it.

Source: ours; the tokenizers are those of GPT-1 §4.1 and GPT-2 §2.2.
"""

from __future__ import annotations

from collections.abc import Mapping

import traitlets

from gptcore.show.explorers.shared.tokens import Vocabulary, pack, rules
from gptcore.show.widgets import Explorer
from gptcore.tokenizer.words import without_lone_surrogates

__all__ = ["EXAMPLES", "TokenizerPlayground"]

EXAMPLES = {
    "English": "The cat found a golden key under the old bridge. She couldn't believe it!",
    "Chinese": "小猫在老桥下找到了一把金钥匙。她简直不敢相信！",
    "Hindi": "बिल्ली को पुराने पुल के नीचे सोने की चाबी मिली। उसे विश्वास नहीं हुआ!",
    "Arabic": "وجدت القطة مفتاحًا ذهبيًا تحت الجسر القديم. لم تصدّق ذلك!",
    "Emoji": "👩‍👩‍👧‍👦 👍🏽 🇮🇳 ❤️ café cafe\u0301",
    "Python": "def area(width, height):\n    # in square metres\n    return width * height\n",
    "Numbers": "7 + 35 = 42, 1999 + 1 = 2000, 123456789 and 3.14159, 1,000,000 or 1000000",
    "White space": "one two  three   four\n\n\tfive \n        six ",
}
"""Texts to start from: name -> text. The first four say the same."""


class TokenizerPlayground(Explorer):
    """A text box, and below it a lane for each vocabulary with its tokens, ids, cost and merges.

    Args:
        vocabularies: name -> a Tokenizer, "characters" (ids are code points), "bytes" (ids are
            byte values), or None for one whose files are not here, which the page then says.
        text: what stands in the text box at first.
        examples: name -> text, to choose from.

    Raises:
        ValueError: no vocabulary is given, or one is none of the above.
    """

    script = "playground"
    text = traitlets.Unicode().tag(sync=True)
    examples = traitlets.Dict().tag(sync=True)
    vocabularies = traitlets.List().tag(sync=True)
    missing = traitlets.List().tag(sync=True)
    rules = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        vocabularies: Mapping[str, Vocabulary | None],
        text: str = EXAMPLES["English"],
        examples: Mapping[str, str] = EXAMPLES,
    ) -> None:
        text, packed, counts = without_lone_surrogates(text), [], []
        for name, vocabulary in vocabularies.items():
            if vocabulary is not None:
                entry, encode = pack(name, vocabulary)
                packed.append(entry)
                counts.append(f"{name} {len(encode(text)):,}")
        if not packed:
            raise ValueError(f"vocabularies={dict(vocabularies)!r} must hold at least one")
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        super().__init__(
            alt=f"Tokenizer playground. Tokens of “{shown}”: {', '.join(counts)}.",
            text=text,
            examples=dict(examples),
            vocabularies=packed,
            missing=[name for name, vocabulary in vocabularies.items() if vocabulary is None],
            rules=rules(any(entry["kind"] == "word" for entry in packed)),
        )
