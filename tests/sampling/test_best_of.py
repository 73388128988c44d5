"""Best of n: what it costs in nats and what it is expected to get, by hand and by trying all."""

import math
from itertools import combinations

import pytest
import torch
from small_tasks import LETTERS, letters_gpt
from torch.testing import assert_close

from gptcore.sampling.best_of import best_of, best_of_kl, expected_best


def test_the_kl_by_hand_and_against_the_distribution_itself():
    """n = 2: log 2 - 1/2 = 0.193147. Of K equally likely responses the i-th best of n has the
    probability (i/K)^n - ((i-1)/K)^n; for many its KL is the formula's."""
    assert best_of_kl(1) == 0
    assert best_of_kl(2) == pytest.approx(0.1931471806)
    assert best_of_kl(16) == pytest.approx(1.8350887222)
    K, n = 100_000, 16
    edges = (torch.arange(K + 1, dtype=torch.float64) / K) ** n
    p = edges[1:] - edges[:-1]
    assert float((p * (p * K).log()).sum()) == pytest.approx(best_of_kl(n), abs=1e-3)
    with pytest.raises(ValueError, match=r"n=0\.5 must be at least 1"):
        best_of_kl(0.5)


def test_what_is_expected_by_hand():
    """Of 1, 2, 4 the best two of three: {1,2} 2, {1,4} 4, {2,4} 4: 10/3."""
    scores = [4.0, 1.0, 2.0]
    found = [float(expected_best(scores, n)) for n in (1, 2, 3)]
    assert found == pytest.approx([7 / 3, 10 / 3, 4.0])


@pytest.mark.parametrize("n", [1, 2, 4, 7])
def test_what_is_expected_is_the_mean_over_all_choices(n):
    """Chosen by another score, of which two are the same: either is taken half of the time."""
    generator = torch.Generator().manual_seed(0)
    gold = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    proxy = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    proxy[:, 2] = proxy[:, 5]
    for row in range(3):
        got = []
        for chosen in map(list, combinations(range(7), n)):
            best = proxy[row, chosen] == proxy[row, chosen].max()
            got.append(gold[row, chosen][best].mean())
        assert_close(expected_best(gold, n, proxy)[row], torch.stack(got).mean())


def test_what_cannot_be_chosen_from_is_named():
    with pytest.raises(ValueError, match="n=4 must be from 1 to 3"):
        expected_best([1.0, 2.0, 3.0], 4)
    with pytest.raises(TypeError, match=r"n=2\.0 must be an int"):
        expected_best([1.0, 2.0, 3.0], 2.0)
    with pytest.raises(ValueError, match=r"by has shape \(2,\)"):
        expected_best([1.0, 2.0, 3.0], 2, by=[1.0, 2.0])


def count_a(prompts, responses):
    return [response.count("a") for response in responses]


def policy():
    model = letters_gpt(norm="pre")
    with torch.no_grad():
        model.ln_f.bias.copy_(model.wte.weight[[64, 65, 256]].sum(0) * 200)
    return model


def test_the_best_of_each_prompts_own_responses_is_kept():
    found = best_of(policy(), LETTERS, ["a fox", "no"], count_a, 40, max_new_tokens=6)
    assert found.all_scores.shape == (2, 40) and len(set(found.all_scores[0].tolist())) > 1
    for i in range(2):
        counts = [text.count("a") for text in found.all_texts[i]]
        assert found.all_scores[i].tolist() == counts
        assert found.scores[i] == max(counts)
        assert found.texts[i] == found.all_texts[i][counts.index(max(counts))]


def test_more_to_choose_from_is_better_and_one_is_no_choice():
    means = [
        float(best_of(policy(), LETTERS, ["a"] * 20, count_a, n, max_new_tokens=6).scores.mean())
        for n in (1, 4, 16)
    ]
    assert means[0] < means[1] < means[2]


def test_scores_that_are_none_are_named():
    with pytest.raises(ValueError, match="scorer says nan of .* a response to 'no'"):
        best_of(policy(), LETTERS, ["no"], lambda p, r: [math.nan] * len(r), 2, max_new_tokens=4)
    with pytest.raises(ValueError, match=r"scorer returned \(1,\) for 2 responses"):
        best_of(policy(), LETTERS, ["no"], lambda p, r: [1.0], 2, max_new_tokens=4)
    with pytest.raises(ValueError, match="n=0 must be at least 1"):
        best_of(policy(), LETTERS, ["no"], count_a, 0)
