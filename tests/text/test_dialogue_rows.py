"""Dialogues as rows: which tokens are learned, which pairs are left, and batches of like length."""

from itertools import islice

import pytest
import torch
from small_tasks import LETTERS

from gptcore.labelled.dialogues import Comparison, Demonstration
from gptcore.text.dialogue_rows import RowBatches, lessons, of_lessons, of_ranked, ranked

EOT, LINE, A, B = 256, 198, 64, 65
NO = -100


def test_the_response_and_its_stop_token_are_learned_and_nothing_else():
    row = lessons([Demonstration("a", "bb")], LETTERS, 16).rows[0]
    assert row.ids == (A, LINE, LINE, B, B)
    assert row.targets == (NO, NO, B, B, EOT)
    whole = lessons([Demonstration("a", "bb")], LETTERS, 16, mask_prompt=False).rows[0]
    assert whole == (row.ids, (LINE, LINE, B, B, EOT))


def test_every_turn_of_the_model_is_learned():
    turns = (("user", "a"), ("assistant", "b"), ("user", "a"))
    row = lessons([Demonstration(turns, "b")], LETTERS, 32).rows[0]
    assert row.ids == (A, LINE, LINE, B, EOT, A, LINE, LINE, B)
    assert row.targets == (NO, NO, B, EOT, NO, NO, NO, B, EOT)


@pytest.mark.parametrize("n", [4, 5, 6])
def test_a_response_that_is_cut_does_not_end_there(n):
    """3 tokens of prompt, n of response and the stop token; the context of 8 scores 6 of them."""
    found = lessons([Demonstration("a", "b" * n)], LETTERS, 8)
    row = found.rows[0]
    assert found.cut == (n > 5) and len(row.ids) == min(8, 3 + n)
    assert (row.targets[-1] == EOT) == (n <= 5)


def test_a_prompt_that_is_too_long_is_left_out_and_counted():
    found = lessons([Demonstration("a" * 7, "b"), Demonstration("a" * 6, "b")], LETTERS, 16)
    assert (len(found.rows), found.dropped) == (1, 1)  # 6 and an empty line are half the context
    assert found.told("train") == "train: 1 prompts are too long and left out"
    more = lessons([Demonstration("a" * 7, "b")], LETTERS, 16, longest_prompt=9)
    assert len(more.rows) == 1 and not more.told("train")


def test_a_batch_is_filled_up_with_what_is_not_scored():
    rows = lessons([Demonstration("a", "b"), Demonstration("a", "bbb")], LETTERS, 16).rows
    ids, targets = of_lessons(rows)
    assert ids.shape == targets.shape == (2, 6)
    assert targets[0].tolist() == [NO, NO, B, EOT, NO, NO]


def test_ranked_responses_are_rows_and_ties_are_no_pairs():
    item = Comparison("a", ("b", "bb", "ba", ""), (0, 1, 1, 2))
    row = ranked([item], LETTERS, 16).rows[0]
    start = (A, LINE, LINE)
    assert row.rows == tuple((*start, *r, EOT) for r in ((B,), (B, B), (B, A), ()))
    assert row.start == 3 and row.pairs == ((0, 1), (0, 2), (0, 3), (1, 3), (2, 3))


def test_nine_responses_are_36_pairs_of_nine_rows():
    item = Comparison("a", tuple("b" * n for n in range(9)), tuple(range(9)))
    ids, at, better, worse, weights = of_ranked(ranked([item], LETTERS, 32).rows)
    assert ids.shape == (9, 12) and at.tolist() == list(range(3, 12)) and len(better) == 36
    assert weights.sum().item() == pytest.approx(1) and (better < worse).all()


def test_pairs_that_are_equal_after_the_cut_are_left_out_and_counted():
    item = Comparison("a", ("bbbbbbb", "bbbbbbbb", "a"), (0, 1, 2))
    found = ranked([item], LETTERS, 8)
    assert (found.cut, found.equal, found.empty) == (2, 1, 0)
    assert found.rows[0].pairs == ((0, 2), (1, 2))
    cut = (A, LINE, LINE, B, B, B, B, B)  # read where it was cut: no stop token stands there
    assert found.rows[0].rows == (cut, cut, (A, LINE, LINE, A, EOT))
    alone = ranked([Comparison("a", item.responses[:2], (0, 1))], LETTERS, 8)
    assert not alone.rows and (alone.equal, alone.empty) == (1, 1)
    assert "1 pairs are equal, token by token" in alone.told("x")


def test_pairs_apart_are_the_same_pairs():
    items = [Comparison("a", ("b", "bb", "ba"), (0, 1, 2)), Comparison("b", ("a", "b"), (1, 0))]
    found = ranked(items, LETTERS, 16, together=False).rows
    assert all(len(row.rows) == 2 and row.pairs == ((0, 1),) for row in found[:3])
    together = ranked(items, LETTERS, 16).rows

    def texts(rows):
        return sorted((row.rows[i], row.rows[j]) for row in rows for i, j in row.pairs)

    assert texts(found) == texts(together) and len(found) == 4


def test_prompts_of_a_batch_do_not_mix():
    items = [Comparison("a", ("b", "bb", "ba"), (0, 1, 2)), Comparison("b", ("a", "b"), (1, 0))]
    ids, _, better, worse, weights = of_ranked(ranked(items, LETTERS, 16).rows)
    assert list(zip(better.tolist(), worse.tolist(), strict=True))[-1] == (4, 3)
    assert (ids[better, 0] == ids[worse, 0]).all()  # the same prompt
    torch.testing.assert_close(weights, torch.tensor([1 / 3] * 3 + [1.0]))


def batches(n=50, size=4, seed=0):
    rows = lessons([Demonstration("a", "b" * (i % 9 + 1)) for i in range(n)], LETTERS, 32).rows
    return RowBatches(rows, size, of_lessons, seed)


def test_an_epoch_gives_every_row_once_and_like_lengths_together():
    made = batches(50)
    one = list(islice(made, len(made)))
    assert len(one) == 13 and sum(len(ids) for ids, _ in one) == 50
    lengths = sorted(int((t != NO).sum()) for _, targets in one for t in targets)
    assert lengths == sorted(i % 9 + 2 for i in range(50))
    widths = [ids.shape[1] - (ids != 0).sum(1).min().item() for ids, _ in one]
    assert sum(widths) / len(widths) < 2  # shuffled alone they differ by 5 and more
    again = list(islice(made, len(made)))
    assert any(not torch.equal(a[0], b[0]) for a, b in zip(one, again, strict=True))


def test_the_place_in_the_data_is_found_again():
    made, other = batches(), batches()
    list(islice(made, 17))
    other.load_state_dict(made.state_dict())
    for a, b in zip(islice(made, 15), islice(other, 15), strict=True):
        assert torch.equal(a[0], b[0])
    assert batches(seed=1).identity() != made.identity() == batches().identity()
    with pytest.raises(ValueError, match="rows=0 too"):
        RowBatches([], 4, of_lessons)
