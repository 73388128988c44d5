"""Token streams on disk and the batches cut from them."""

import json
import re

import numpy as np
import pytest
import torch

from gptcore.text.streams import Batches, Ramp, TokenStream, Unfinished
from gptcore.tokenizer import Tokenizer

DOCUMENTS = ["one fish", "two fish", "", "red fïsh"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(" fish fish fish", 260)


def count(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


def test_packed_documents_end_with_end_of_text(tmp_path, tokenizer):
    stream = TokenStream.write(tmp_path / "s", DOCUMENTS, tokenizer)
    expected = [i for text in DOCUMENTS for i in [*tokenizer.encode(text), tokenizer.eot]]
    assert stream.tokens.tolist() == expected
    assert (stream.n_documents, stream.n_bytes) == (4, 8 + 8 + 0 + 9)  # ï takes two bytes
    assert tokenizer.decode(stream.tokens.tolist()).split("<|endoftext|>") == [*DOCUMENTS, ""]


def test_unpacked_documents_run_on(tmp_path, tokenizer):
    stream = TokenStream.write(tmp_path / "s", DOCUMENTS, tokenizer, pack=False)
    assert stream.tokens.tolist() == [i for text in DOCUMENTS for i in tokenizer.encode(text)]


def test_no_end_of_text_after_a_piece_that_goes_on(tmp_path, tokenizer):
    texts = [Unfinished("one"), Unfinished(" fish"), " more", "two"]
    stream = TokenStream.write(tmp_path / "s", texts, tokenizer)
    assert tokenizer.decode(stream.tokens.tolist()) == "one fish more<|endoftext|>two<|endoftext|>"
    assert stream.n_documents == 2


def test_documents_are_taken_one_by_one(tmp_path, tokenizer):
    """A corpus may be larger than the memory: text is written before all of it has been read."""
    sizes = []

    def documents():
        for _ in range(200):
            yield "fish " * 400
            sizes.append(sum(f.stat().st_size for f in tmp_path.glob(".s.bin*")))

    TokenStream.write(tmp_path / "s", documents(), tokenizer)
    assert 0 < sizes[100] < sizes[199]


@pytest.mark.parametrize(("vocab_size", "width"), [(65536, 2), (65537, 4)])
def test_width_on_disk_follows_the_vocabulary(tmp_path, vocab_size, width):
    class Counting:
        eot, fingerprint = vocab_size - 1, "f"

        def encode_corpus(self, texts):
            return (np.array([ord(c) for c in text], dtype=np.uint32) for text in texts)

    tokenizer = Counting()
    tokenizer.vocab_size = vocab_size
    stream = TokenStream.write(tmp_path / "s", ["ab", "c"], tokenizer)
    assert stream.tokens.tolist() == [97, 98, vocab_size - 1, 99, vocab_size - 1]
    raw = (tmp_path / "s.bin").read_bytes()
    assert raw[: 2 * width] == (97).to_bytes(width, "little") + (98).to_bytes(width, "little")
    assert len(raw) == 5 * width


def test_an_opened_stream_is_the_written_one(tmp_path, tokenizer):
    written = TokenStream.write(tmp_path / "a.b", DOCUMENTS, tokenizer)
    found = TokenStream.open(tmp_path / "a.b")
    assert found.tokens.tolist() == written.tokens.tolist()
    assert found.tokenizer == tokenizer.fingerprint
    assert (found.n_bytes, found.vocab_size, found.sha256) == (25, 260, written.sha256)
    with pytest.raises(ValueError, match="read-only"):
        found.tokens[0] = 1


def test_a_failure_while_writing_leaves_the_old_stream(tmp_path, tokenizer):
    TokenStream.write(tmp_path / "s", ["old"], tokenizer)

    def documents():
        yield "new"
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        TokenStream.write(tmp_path / "s", documents(), tokenizer)
    assert tokenizer.decode(TokenStream.open(tmp_path / "s").tokens[:-1].tolist()) == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.bin", "s.json"]


def test_a_truncated_stream_is_named_with_both_sizes(tmp_path, tokenizer):
    stream = TokenStream.write(tmp_path / "s", ["one fish"], tokenizer)
    size = 2 * len(stream)
    (tmp_path / "s.bin").write_bytes((tmp_path / "s.bin").read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"s\.bin has {size - 1} bytes where .* take {size}"):
        TokenStream.open(tmp_path / "s")


def test_foreign_and_absent_files_are_named(tmp_path, tokenizer):
    TokenStream.write(tmp_path / "s", ["one"], tokenizer)
    (tmp_path / "s.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(ValueError, match=r"s\.json: format='other' must be 'gptcore token"):
        TokenStream.open(tmp_path / "s")
    (tmp_path / "s.json").write_text("no json")
    with pytest.raises(ValueError, match=r"s\.json does not describe a token stream"):
        TokenStream.open(tmp_path / "s")
    (tmp_path / "s.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"s\.json is absent"):
        TokenStream.open(tmp_path / "s")


def test_packing_needs_an_end_of_text_token(tmp_path):
    with pytest.raises(ValueError, match="pack=True"):
        TokenStream.write(tmp_path / "s", ["a"], Tokenizer.train("ab", 256, specials=()))


def test_ids_at_hand_are_checked():
    assert TokenStream.of(torch.tensor([1, 2, 70000])).tokens.tolist() == [1, 2, 70000]
    with pytest.raises(ValueError, match="got -1 to 2"):
        TokenStream.of([2, -1])
    with pytest.raises(ValueError, match=r"ids has 9; ids must be in \[0, 9\)"):
        TokenStream.of([2, 9], vocab_size=9)
    with pytest.raises(ValueError, match="float64"):
        TokenStream.of([0.5])


def test_targets_are_ids_moved_by_one():
    ids, targets = next(Batches(count(1000), batch_size=4, n_ctx=8))
    assert ids.shape == targets.shape == (4, 8)
    assert ids.dtype == targets.dtype == torch.int64
    assert torch.equal(targets, ids + 1)  # the stream counts 0, 1, 2, ...
    assert torch.equal(ids, ids[:, :1] + torch.arange(8))


@pytest.mark.parametrize("n_tokens", [81, 88, 89, 300])
def test_every_window_comes_once_per_epoch(n_tokens):
    """Starts of one epoch are an offset plus all multiples of T that leave room for targets."""
    n_ctx, batches = 8, Batches(count(n_tokens), batch_size=1, n_ctx=8, seed=3)
    starts, epoch = [], 0
    while batches.state_dict()["epoch"] < 3:
        ids, _ = next(batches)
        if batches.state_dict()["epoch"] > epoch:
            offset = min(starts)
            assert 0 <= offset < n_ctx
            assert sorted(starts) == list(range(offset, n_tokens - n_ctx, n_ctx))
            starts, epoch = [], epoch + 1
        starts.append(int(ids[0, 0]))


def test_epochs_have_offsets_and_orders_of_their_own():
    batches = Batches(count(801), batch_size=1, n_ctx=8)
    epochs = {}
    for _ in range(400):
        ids, _ = next(batches)
        epochs.setdefault(batches.state_dict()["epoch"], []).append(int(ids[0, 0]))
    assert len({min(starts) for starts in epochs.values()}) > 1
    assert len({tuple(s - min(starts) for s in starts[:20]) for starts in epochs.values()}) >= 4
    assert all(starts != sorted(starts) for starts in epochs.values())


def test_a_batch_may_be_larger_than_an_epoch():
    ids, _ = next(Batches(count(20), batch_size=7, n_ctx=8))
    assert ids.shape == (7, 8)


def test_the_seed_decides_the_order():
    one, same, other = (Batches(count(400), 4, 8, seed=s) for s in (1, 1, 2))
    first = [next(one)[0] for _ in range(30)]
    assert all(torch.equal(a, next(same)[0]) for a in first)
    assert not all(torch.equal(a, next(other)[0]) for a in first)


@pytest.mark.parametrize("before", [0, 1, 11, 12, 13, 40])
def test_a_saved_place_gives_the_same_batches(before):
    """49 windows or fewer per epoch in batches of 4: the place may lie within an epoch's end."""
    batches = Batches(count(400), 4, 8, seed=5)
    for _ in range(before):
        next(batches)
    place = batches.state_dict()
    expected = [next(batches)[0] for _ in range(30)]
    resumed = Batches(count(400), 4, 8, seed=5)
    resumed.load_state_dict(json.loads(json.dumps(place)))
    assert all(torch.equal(a, next(resumed)[0]) for a in expected)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_parts_of_a_batch_are_the_batch(n):
    """No row twice and none left out, also where a batch ends one epoch and begins the next."""
    whole = Batches(count(200), 6, 8, seed=3)
    parts = [Batches(count(200), 6, 8, seed=3, part=(r, n)) for r in range(n)]
    for _ in range(9):  # two epochs of 24 windows
        ids, targets = next(whole)
        found = [next(part) for part in parts]
        for r, (mine, next_mine) in enumerate(found):
            assert torch.equal(mine, ids[r::n]) and torch.equal(next_mine, targets[r::n])
        rows = torch.cat([mine[:, 0] for mine, _ in found]).sort().values
        assert torch.equal(rows, ids[:, 0].sort().values)
        assert all(part.state_dict() == whole.state_dict() for part in parts)
    assert all(part.identity() == whole.identity() for part in parts)


def test_parts_that_are_none_are_named():
    for n, following in ((4, 8), (5, 10)):
        message = f"batch_size=6 must be a multiple of {n}, .* {following} is the next"
        with pytest.raises(ValueError, match=message):
            Batches(count(200), 6, 8, part=(0, n))
    for part in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match=re.escape(f"part={part} must be (r, n) with 0 <= r")):
            Batches(count(200), 6, 8, part=part)


def test_a_batch_grows_in_proportion_to_the_tokens_read():
    """From 2 windows of 8 tokens to 10 over 400: after t tokens 2 + 8 t / 400, rounded down.

    By hand: 0 tokens, 2; 16, 2.32; 32, 2.64; 48, 2.96; 64, 3.28; 88, 3.76; 112, 4.24; ...
    """
    batches = Batches(count(2000), 10, 8, ramp=Ramp(2, 400))
    sizes, read = [], []
    for _ in range(30):
        read.append(8 * sum(sizes))
        sizes.append(len(next(batches)[0]))
    assert sizes[:7] == [2, 2, 2, 2, 3, 3, 4]
    assert read[:7] == [0, 16, 32, 48, 64, 88, 112]
    assert [n for n, t in zip(sizes, read, strict=True) if t >= 400] == [10] * sizes.count(10)
    assert sizes[-1] == 10


@pytest.mark.parametrize("before", [1, 5, 40])
def test_a_growing_batch_goes_on_where_it_was(before):
    batches = Batches(count(500), 10, 8, seed=2, ramp=Ramp(2, 400))
    for _ in range(before):
        next(batches)
    again = Batches(count(500), 10, 8, seed=2, ramp=Ramp(2, 400))
    again.load_state_dict(json.loads(json.dumps(batches.state_dict())))
    for _ in range(10):
        assert torch.equal(next(again)[0], next(batches)[0])
    assert batches.identity()["ramp"] == {"start": 2, "tokens": 400}
    assert "ramp" not in Batches(count(500), 10, 8).identity()  # runs of before go on


def test_a_growing_batch_is_dealt_out_evenly():
    parts = [Batches(count(500), 8, 8, part=(r, 4), ramp=Ramp(2, 400)) for r in range(4)]
    for _ in range(20):
        (size,) = {len(next(part)[0]) for part in parts}
        assert 1 <= size <= 2
    assert size == 2


def test_ramps_that_are_none_are_named():
    with pytest.raises(ValueError, match=r"ramp\.start=11 must be at most batch_size=10"):
        Batches(count(500), 10, 8, ramp=Ramp(11, 400))
    for start, tokens, name in ((0, 1, "start=0"), (1, 0, "tokens=0")):
        with pytest.raises(ValueError, match=f"ramp.{name} must be at least 1"):
            Ramp(start, tokens)


def test_short_streams_and_bad_arguments_are_named():
    assert next(Batches(count(9), 1, 8))[0].tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]
    with pytest.raises(ValueError, match=r"has 8 tokens; a window of n_ctx=8 .* take 9"):
        Batches(count(8), 1, 8)
    with pytest.raises(ValueError, match="batch_size=0 must be at least 1"):
        Batches(count(9), 0, 8)
    with pytest.raises(ValueError, match="n_ctx=-1 must be at least 1"):
        Batches(count(9), 1, -1)
    with pytest.raises(ValueError, match="seed=-2 must be at least 0"):
        Batches(count(9), 1, 8, seed=-2)


def test_identity_tells_other_data():
    base = Batches(count(50), 2, 8).identity()
    assert Batches(count(50), 2, 8).identity() == base
    for other in (Batches(count(51), 2, 8), Batches(count(50), 3, 8), Batches(count(50), 2, 8, 1)):
        assert other.identity() != base
    whole = TokenStream.of(count(50))
    assert whole.part(0, 20).sha256 != whole.part(0, 21).sha256 != whole.sha256
