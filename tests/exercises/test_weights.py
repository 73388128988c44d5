"""What this proves: each check of the page on published weights lets right answers pass.

Every wrong answer here is one that people write; the phrase beside it is the cause that the check
has to name, and no two mistakes of an exercise may get the same message.
"""

from verdicts import four_tests

from gptcore.exercises.weights import EXERCISES

# W.1 ---------------------------------------------------------------------------------------------


def vocabulary(total, n_ctx, L, d):
    return (total - n_ctx * d - L * (12 * d * d + 13 * d) - 2 * d) // d


def by_search(total, n_ctx, L, d):
    """Another way: the number of tokens that gives this total."""
    count, step = 0, 1 << 20
    while step:
        inside = n_ctx * d + L * (12 * d * d + 13 * d) + 2 * d
        count += step if (count + step) * d + inside <= total else 0
        step //= 2
    return count


# W.2 ---------------------------------------------------------------------------------------------

KERNELS = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def loader(turned=lambda n, t: n.endswith(KERNELS), dropped=None, prefix=""):
    masks = (".attn.bias", ".attn.masked_bias")

    def translated(w):
        named = {prefix + name.removeprefix("transformer."): t for name, t in w.items()}
        return {
            name: t.t().contiguous() if turned(name, t) else t
            for name, t in named.items()
            if not name.endswith(masks if dropped is None else dropped)
        }

    return translated


# W.3 ---------------------------------------------------------------------------------------------


def folder(first=0, last=1, by=lambda i: 1 / (i + 1), bias_too=True):
    def folded(weight, bias, i):
        weight, bias, C = weight.clone(), bias.clone(), len(weight)
        weight[:, first * C : last * C] *= by(i)
        if bias_too:
            bias[first * C : last * C] *= by(i)
        return weight, bias

    return folded


def by_rows(weight, bias, i):
    weight, bias = weight.clone(), bias.clone()
    weight[: len(weight) // 3] /= i + 1
    bias[: len(weight)] /= i + 1
    return weight, bias


RIGHT = [
    ("W.1", vocabulary),
    ("W.1", by_search),
    ("W.1", lambda *given: float(vocabulary(*given))),
    ("W.2", loader()),
    ("W.2", lambda w: dict(sorted(loader()(w).items()))),
    ("W.3", folder()),
    ("W.3", lambda *given: list(folder()(*given))),
]
WRONG = {
    "W.1": {
        "The last LayerNorm was left in": lambda t, n, L, d: vocabulary(t, n, L, d) + 2,
        "The positions were left in": lambda t, n, L, d: vocabulary(t, n, L, d) + n,
        "The output matrix was counted": lambda t, n, L, d: vocabulary(t, n, L, d) / 2,
        "The biases of the blocks are missing": lambda t, n, L, d: vocabulary(t, n, L, d) + 13 * L,
        "divide by d": lambda t, n, L, d: vocabulary(t, n, L, d) * d,
    },
    "W.2": {
        "All matrices were turned": loader(lambda n, t: t.dim() == 2),
        "Nothing was turned": loader(lambda n, t: False),
        "The square one": loader(lambda n, t: n.endswith(KERNELS) and "attn.c_proj" not in n),
        "The causal masks are still there": loader(dropped=("never",)),
        "`attn.masked_bias` is still there": loader(dropped=".attn.bias"),
        "The biases of c_attn went with the masks": loader(dropped=("attn.bias", "masked_bias")),
        "still begin with `transformer.`": loader(prefix="transformer."),
    },
    "W.3": {
        "The bias was left as it was": folder(bias_too=False),
        "Queries and keys were both divided": folder(0, 2),
        "Everything was divided": folder(0, 3),
        "Divided by i": folder(by=lambda i: 1 / i),
        "Multiplied": folder(by=lambda i: i + 1),
        "These are the values": folder(2, 3),
        "Rows were divided": by_rows,
    },
}


(
    test_every_exercise_is_tested,
    test_right_answers_pass,
    test_mistakes_are_named,
    test_mistakes_are_told_apart,
) = four_tests(EXERCISES, RIGHT, WRONG)
