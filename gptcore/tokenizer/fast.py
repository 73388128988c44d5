"""The same ids from a faster engine: tiktoken, made from our own merges.

tiktoken joins whatever two neighbours spell a token, the one with the smallest id first; our merges
name the two. On merges that were learned both come to the same, on handmade ones they need not:
with the merges ab, bc and ab+c, the text abc is ab+c for both, but without ab it would be a+bc for
us and abc for tiktoken. So its help is taken only where no text can tell the two apart.

Source: tiktoken's `src/lib.rs` (`byte_pair_merge`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import regex

from gptcore.tokenizer.bpe import apply_merges
from gptcore.tokenizer.vocabulary import WordIds
from gptcore.tokenizer.words import BYTE_CHARS, GPT2_PATTERN

MANY_SPACES = regex.compile(r"\s{100000}")
"""White space that is left to our own encoder: a million of them overflow tiktoken's stack."""
SYMBOLS = {ord(char): chr(i) for i, char in enumerate(BYTE_CHARS)}


def tiktoken_encoder(
    vocab: Mapping[str, int],
    token_bytes: Mapping[int, bytes],
    ordinary: Callable[[str], list[int]],
) -> Callable[[str], list[int]] | None:
    """tiktoken's encoder for merges of which `same_ids` is true; None where it is missing.

    Args:
        vocab: token -> id, which rises with the merges.
        token_bytes: id -> bytes.
        ordinary: our own encoder, for what tiktoken cannot take.
    """
    try:
        import tiktoken
    except ImportError:
        return None
    ranks = {token_bytes[i]: i for i in vocab.values()}
    encode = tiktoken.Encoding(
        "gptcore", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens={}
    ).encode_ordinary
    return lambda text: ordinary(text) if MANY_SPACES.search(text) else encode(text)


def same_ids(vocab: Mapping[str, int], merges: Sequence[tuple[str, str]], words: WordIds) -> bool:
    """Whether joining any neighbours that spell a token gives what the merges give.

    It takes ids that rise with the merges, all bytes, and merges that make of every token's own
    bytes that token: if tiktoken could join two neighbours that are no merge, they alone would
    stay two for the merges.
    """
    ids = [vocab[left + right] for left, right in merges]
    if ids != sorted(ids) or not vocab.keys() >= set(BYTE_CHARS):
        return False
    spelled = ((left + right).translate(SYMBOLS) for left, right in merges)
    return all(len(apply_merges(s, words.product, words.parts)) == 1 for s in spelled)
