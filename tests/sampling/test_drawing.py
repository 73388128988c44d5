"""Sampling: the filters by hand, the loop against a plain one, and text that never breaks.

Two kinds of model make the outcome known beforehand: `fixed` gives the same next-token
distribution everywhere, `scripted` answers each position with a given token.
"""

import math

import pytest
import torch

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.sampling.drawing import filter_logits, generate, sample_ids, stream
from gptcore.tokenizer import Tokenizer

P = torch.tensor([0.5, 0.3, 0.15, 0.05])
EOT = "<|endoftext|>"


@pytest.fixture(scope="module")
def letters():
    """One token per byte, and the end of text."""
    return Tokenizer.train("ab", 257)


def config(**changes):
    sizes = {"vocab_size": 257, "n_ctx": 32, "n_layer": 1, "n_head": 1, "d_model": 32}
    return GPTConfig(**(sizes | changes))


def random_gpt(seed=0, **changes):
    torch.manual_seed(seed)
    model = GPT(config(**changes)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    return model


def fixed(p):
    """A GPT that predicts the distribution `p` at every position: its last LayerNorm is
    constant, (1, 0, 0, ...), so the logits are the first column of the embedding."""
    model = GPT(config(vocab_size=len(p), d_model=8)).eval()
    with torch.no_grad():
        model.ln_f.weight.zero_()
        model.ln_f.bias.copy_(torch.eye(8)[0])
        model.wte.weight[:, 0] = p.log()
    return model


def scripted(ids, **changes):
    """A GPT that answers position t with ids[t]: blocks do nothing, the position is loud, and
    token v's embedding has a 1 in column t wherever ids[t] = v."""
    model = GPT(config(**changes)).eval()
    with torch.no_grad():
        for p in model.h.parameters():
            p.zero_()
        model.wpe.weight.copy_(100 * torch.eye(32))
        model.wte.weight.zero_()
        model.wte.weight[ids, range(len(ids))] = 1.0
    return model


def script(prompt, text, tokenizer, **changes):
    """A model that writes `text` (str or ids) after `prompt`, then the end of text for ever."""
    ids = tokenizer.encode(text) if isinstance(text, str) else text
    start = len(tokenizer.encode(prompt)) - 1
    answers = [0] * start + ids
    return scripted(answers + [tokenizer.eot] * (32 - len(answers)), **changes)


# --- filter_logits --------------------------------------------------------------------------------


def kept(p, *args):
    """Which tokens a filter leaves, as a list of ids."""
    return filter_logits(torch.as_tensor(p).log(), *args).isfinite().nonzero()[:, 0].tolist()


@pytest.mark.parametrize(
    "top_p, textbook, openai",
    [
        (0.9, 3, 2),  # sums: .5 .8 .95 1
        (0.96, 4, 3),
        (0.7, 2, 1),
        (0.4, 1, 1),
        (0.001, 1, 1),
        (1.0, 4, 4),
    ],
)
def test_nucleus_rules_on_a_worked_example(top_p, textbook, openai):
    """The textbook keeps the token that reaches top_p; OpenAI's code drops it, but keeps one."""
    shuffled = P[[2, 0, 3, 1]]
    order = [1, 3, 0, 2]  # ids by falling probability
    assert kept(shuffled, 1.0, None, top_p, "textbook") == sorted(order[:textbook])
    assert kept(shuffled, 1.0, None, top_p, "openai") == sorted(order[:openai])


def test_nucleus_rules_where_the_sum_meets_top_p_exactly():
    """.5 reaches .5, so the textbook stops there; it is not above .5, so OpenAI keeps it too."""
    halves = [0.5, 0.25, 0.125, 0.125]
    for rule in ("textbook", "openai"):
        assert kept(halves, 1.0, None, 0.5, rule) == [0]
        assert kept(halves, 1.0, None, 0.75, rule) == [0, 1]


def test_a_nucleus_of_everything_keeps_everything():
    """Rounding makes the running sum of 50,000 probabilities reach 1 before the last of them."""
    p = torch.rand(50_000, generator=torch.Generator().manual_seed(0)) ** 9 + 1e-9
    for rule in ("textbook", "openai"):
        assert len(kept(p / p.sum(), 1.0, None, 1.0, rule)) == 50_000


def test_top_k_keeps_k_and_whatever_ties_with_the_last():
    assert kept(P, 1.0, 1) == [0]
    assert kept(P, 1.0, 3) == [0, 1, 2]
    assert kept(P, 1.0, 4) == kept(P, 1.0, 99) == [0, 1, 2, 3]
    assert kept([0.2, 0.4, 0.2, 0.2], 1.0, 2) == [0, 1, 2, 3]
    assert kept([0.2, 0.4, 0.2, 0.2], 1.0, None, 0.5) == [0, 1, 2, 3]
    assert kept([0.3, 0.3, 0.3, 0.1], 0) == [0]  # greedy breaks ties


def test_temperature_comes_first_then_top_k_then_top_p():
    """After top-k = 2 the probabilities are .625 and .375, so top_p = .6 keeps one; of all four
    it would keep two. At temperature 1/2, P becomes its squares: .685 .247 .062 .007."""
    assert kept(P, 1.0, None, 0.6) == [0, 1]
    assert kept(P, 1.0, 2, 0.6) == [0]
    assert kept(P, 0.5, None, 0.6) == [0]
    half = filter_logits(P.log(), 0.5).softmax(-1)
    squares = torch.tensor([0.25, 0.09, 0.0225, 0.0025]) / 0.365
    torch.testing.assert_close(half, squares, atol=1e-6, rtol=0)
    two = filter_logits(P.log(), 1.0, 2).softmax(-1)
    torch.testing.assert_close(two, torch.tensor([0.625, 0.375, 0, 0]), atol=1e-6, rtol=0)


def test_filters_rows_of_any_shape_apart_and_leaves_the_input_alone():
    logits = torch.stack([P.log(), P.flip(0).log()]).expand(3, 2, 4).clone()
    before = logits.clone()
    out = filter_logits(logits, 0.7, 3, 0.8, "openai")
    assert torch.equal(logits, before) and out.shape == (3, 2, 4)
    assert torch.equal(out[2, 1], out[0, 0].flip(0))
    assert torch.equal(filter_logits(logits, 0).isfinite().sum(-1), torch.ones(3, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("temperature", [1e-3, 1e-38, 1e-40, 5e-324])
def test_a_temperature_near_0_is_greedy(temperature, dtype):
    """Logits divided by it leave all numbers behind; what is drawn is the likeliest all the same,
    where two are as likely each with a half."""
    rows = torch.tensor([[3.0, 1.0, -2.0], [-9.0, -7.0, -8.0], [5.0, 5.0, 0.0]], dtype=dtype)
    expected = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]], dtype=dtype)
    for how in ({}, {"top_k": 2}, {"top_p": 0.9}, {"top_p": 0.9, "top_p_rule": "openai"}):
        p = filter_logits(rows, temperature, **how).softmax(-1)
        torch.testing.assert_close(p, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"temperature": -0.5}, "temperature=-0.5 must be a finite number, at least 0"),
        ({"temperature": math.nan}, "temperature=nan must be"),
        ({"temperature": math.inf}, "temperature=inf must be"),
        ({"top_k": 0}, "top_k=0 must be at least 1"),
        ({"top_k": 2.0}, "top_k=2.0 must be an int"),
        ({"top_k": True}, "top_k=True must be an int"),
        ({"top_p": 0.0}, r"top_p=0.0 must be in \(0, 1\]"),
        ({"top_p": 1.01}, "top_p=1.01 must be in"),
        ({"top_p": math.nan}, "top_p=nan must be in"),
        ({"top_p_rule": "nano"}, "top_p_rule='nano' must be 'textbook' or 'openai'"),
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be at least 1"),
        ({"max_new_tokens": 1.5}, "max_new_tokens=1.5 must be an int"),
        ({"stop": "<|end|>"}, r"stop='<\|end\|>' must be one of the special tokens: <\|endoftext"),
        ({"stop": 257}, r"stop=257 must be a token id in \[0, 257\)"),
        ({"stop": -1}, "stop=-1 must be a token id"),
    ],
)
def test_arguments_out_of_range_are_named_at_the_call(letters, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        stream(random_gpt(), letters, "a", **arguments)  # not even started
    if next(iter(arguments)) not in ("max_new_tokens", "stop"):
        with pytest.raises((ValueError, TypeError), match=message):
            filter_logits(P.log(), **arguments)


# --- sample_ids -----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_greedy_equals_a_plain_loop_without_cache(norm):
    model = random_gpt(norm=norm, n_layer=2, n_head=2)
    ids = torch.tensor([[5, 9, 2], [1, 1, 8]])
    expected = ids
    for _ in range(20):
        best = model(expected)[:, -1].argmax(-1, keepdim=True)
        expected = torch.cat([expected, best], dim=1)
    steps = list(sample_ids(model, ids, max_new_tokens=20, temperature=0))
    assert torch.equal(torch.stack(steps, dim=1), expected[:, 3:])


def test_sampled_frequencies_are_the_model_s_probabilities():
    """Chi-square over 4 x 5,000 draws with 3 degrees of freedom: below 16.27 with p = .999."""
    rows = torch.zeros(5000, 1, dtype=torch.long)
    for arguments, p in (
        ({}, P),
        ({"temperature": 0.5}, P**2 / (P**2).sum()),
        ({"top_k": 3}, torch.tensor([10, 6, 3, 0]) / 19),
        ({"top_p": 0.9, "top_p_rule": "openai"}, torch.tensor([5, 3, 0, 0]) / 8),
    ):
        steps = sample_ids(fixed(P), rows, max_new_tokens=4, seed=1, **arguments)
        seen = torch.cat(list(steps)).bincount(minlength=4)
        expected = 20000 * p
        assert (seen[expected == 0] == 0).all()
        chi2 = ((seen - expected) ** 2 / expected)[expected > 0].sum()
        assert chi2 < 16.27, (arguments, seen)


def test_steps_are_drawn_independently():
    """Of two successive draws both are token 0 with .5² = .25: within 4 sigma of 5,000 draws."""
    rows = torch.zeros(5000, 1, dtype=torch.long)
    first, second = sample_ids(fixed(P), rows, max_new_tokens=2, seed=0)
    both = ((first == 0) & (second == 0)).float().mean()
    assert abs(both - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 5000)


def test_a_seed_decides_everything_and_global_randomness_nothing(letters):
    model = random_gpt()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    a = generate(model, letters, "ab", seed=3, stop=None)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert generate(model, letters, "ab", seed=3, stop=None) == a
    assert generate(model, letters, "ab", seed=4, stop=None) != a
    assert generate(model, letters, "ab", stop=None) != generate(model, letters, "ab", stop=None)


def test_generation_ends_where_the_context_is_full():
    model = random_gpt()
    for length, new in ((1, 31), (30, 2), (31, 1)):
        ids = torch.ones(1, length, dtype=torch.long)
        assert len(list(sample_ids(model, ids, seed=0))) == new
    assert len(list(sample_ids(model, ids[:, :9], seed=0, max_new_tokens=4))) == 4


@pytest.mark.parametrize("n_ctx, half", [(8, 4), (5, 2), (4, 2)])
def test_sliding_reads_the_last_half_window_anew(n_ctx, half):
    """The rule, done slowly: when the window is full, start again from its last half."""
    model = random_gpt(n_ctx=n_ctx, norm="post")
    text, start = [3, 1, 4], 0
    for _ in range(30):
        if len(text) - start > n_ctx:
            start = len(text) - half
        text.append(int(model(torch.tensor([text[start:]]))[0, -1].argmax()))
    steps = sample_ids(
        model, torch.tensor([text[:3]]), max_new_tokens=30, temperature=0, slide=True
    )
    assert [int(t) for t in steps] == text[3:]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_s_mode_is_restored_and_dropout_is_off_meanwhile(letters, training):
    model = random_gpt(dropout=0.5).train(training)
    calm = generate(random_gpt(dropout=0.0), letters, "a", temperature=0, stop=None)
    assert generate(model, letters, "a", temperature=0, stop=None) == calm
    assert model.training == training and model.h[0].training == training
    pieces = stream(model, letters, "a", seed=0, stop=None)
    next(pieces)
    assert not model.training
    pieces.close()
    assert model.training == training
    model.h[0].mlp.forward = None  # breaks in the middle
    with pytest.raises(TypeError):
        generate(model, letters, "a")
    assert model.training == training


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_sampled_ids_can_be_trained_on(temperature):
    """Tensors made in inference mode cannot take part in a backward pass; these can."""
    model = random_gpt()
    ids = torch.tensor([[1, 2]])
    steps = list(sample_ids(model, ids, max_new_tokens=3, temperature=temperature, seed=0))
    full = torch.cat([ids, torch.stack(steps, dim=1)], dim=1)
    model.loss(full[:, :-1], full[:, 1:]).backward()
    assert model.wte.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 0)])
def test_ids_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"ids must be \(B, T\) with B, T >= 1, got"):
        sample_ids(random_gpt(), torch.zeros(shape, dtype=torch.long))


# --- text -----------------------------------------------------------------------------------------


def test_returns_the_new_text_up_to_the_stop_token(letters):
    model = script("ab", "cd. e", letters)
    assert generate(model, letters, "ab", temperature=0) == "cd. e"
    assert generate(model, letters, "ab", temperature=0, stop=EOT) == "cd. e"
    assert generate(model, letters, "ab", temperature=0, stop=letters.eot) == "cd. e"
    assert generate(model, letters, "ab", temperature=0, stop=letters.id_of("d")) == "c"
    assert generate(model, letters, "ab", temperature=0, max_new_tokens=2) == "cd"
    whole = generate(model, letters, "ab", temperature=0, max_new_tokens=7, stop=None)
    assert whole == "cd. e" + 2 * EOT


def test_streaming_never_splits_a_character(letters):
    text = "aé你😀!"  # 1, 2, 3, 4 and 1 bytes, one token each
    model = script("ab", text, letters)
    assert list(stream(model, letters, "ab", temperature=0)) == list(text)
    assert generate(model, letters, "ab", temperature=0) == text


def test_bytes_that_are_no_text_become_replacement_marks(letters):
    cut = letters.encode("é你")[:-1]  # the last character misses a byte when generation ends
    model = script("ab", cut, letters)
    assert list(stream(model, letters, "ab", temperature=0)) == ["é", "\ufffd"]
    stray = letters.encode("你")[1:2] + letters.encode("c")
    model = script("ab", stray, letters)
    expected = letters.decode(stray)
    assert generate(model, letters, "ab", temperature=0) == expected == "\ufffdc"


def test_pieces_joined_are_what_generate_returns(letters):
    model = random_gpt()
    for seed in range(5):
        pieces = list(stream(model, letters, "ab", seed=seed, stop=None))
        assert "".join(pieces) == generate(model, letters, "ab", seed=seed, stop=None)
        assert all(pieces)


def test_a_special_token_written_in_the_prompt_starts_a_document(letters):
    model = scripted([letters.id_of("c")] + [letters.eot] * 31)
    assert generate(model, letters, EOT, temperature=0) == "c"


def test_tokens_the_tokenizer_does_not_have_are_never_chosen(letters):
    model = random_gpt(vocab_size=400)
    with torch.no_grad():
        model.wte.weight[257:] *= 50  # the likeliest by far, in one direction or the other
    for temperature in (0, 1.0):
        text = generate(model, letters, "ab", temperature=temperature, seed=0, stop=None)
        assert len(text) > 0
    free = torch.cat(list(sample_ids(model, torch.tensor([[1]]), temperature=0)))
    assert free.max() >= 257


def test_unusable_prompts_are_clear_errors(letters):
    model = random_gpt()
    with pytest.raises(ValueError, match=r"prompt='' has no tokens.*prompt='<\|endoftext\|>'"):
        generate(model, letters, "")
    with pytest.raises(ValueError, match="prompt has 32 tokens; it must have fewer than n_ctx=32"):
        generate(model, letters, "a" * 32)
    with pytest.raises(TypeError, match="prompt=b'ab' must be a str"):
        generate(model, letters, b"ab")
    small = random_gpt(vocab_size=256)
    with pytest.raises(ValueError, match="tokenizer has 257 tokens.*vocab_size=256"):
        generate(small, letters, "ab")
    bare = Tokenizer.train("ab", 256, specials=())
    with pytest.raises(ValueError, match="prompt='' has no tokens.*at least one word$"):
        generate(model, bare, "")
    assert len(generate(model, bare, "ab", seed=0)) > 0  # no end of text: the default is ignored
    with pytest.raises(ValueError, match="one of the special tokens: none"):
        generate(model, bare, "ab", stop="<|stop|>")


# --- GPT-1's words --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words():
    return Tokenizer.train(
        "the cat sat on the mat . the dog sat on the log . " * 9, 64, kind="word"
    )


def test_word_level_pieces_carry_their_spaces(words):
    prompt, text = "The cat", "sat on the log ."
    model = script(prompt, text, words, vocab_size=words.vocab_size)
    pieces = list(stream(model, words, prompt, temperature=0))
    whole = words.decode(words.encode(f"{prompt} {text}"))
    assert words.decode(words.encode(prompt)) + "".join(pieces) == whole
    assert "".join(pieces) == generate(model, words, prompt, temperature=0)
    assert "".join(pieces).startswith(" sat on")


def test_a_prompt_of_unknown_characters_is_refused(words):
    model = random_gpt(vocab_size=words.vocab_size)
    with pytest.raises(ValueError, match="prompt='the 你' has characters.*does not know"):
        generate(model, words, "the 你")
    with pytest.raises(ValueError, match="prompt='  ' has no tokens"):
        generate(model, words, "  ")
