"""Compare greedy generation with transformers' GPT2LMHeadModel: one prompt, and 16 at once.

The three networks of bench/training.py with room for 256 tokens; 128 new ones. One prompt has 128
tokens; the 16 have 8 to 128, filled up on the left. Theirs is `generate` with SDPA and its cache;
a line calls its forward pass from a bare loop, which spares it everything that `generate` does
around it. Runs alternate, and the ids must be equal, or the run stops.

    python bench/generation.py
    python bench/generation.py --quick    the smallest network, two runs
"""

from __future__ import annotations

from dataclasses import replace

import torch
from peers.hugging_face import DEFAULT, NETWORKS, ONE_KERNEL, Network, twin
from peers.timing import alternate, header, options, report
from torch import Tensor
from transformers import GPT2LMHeadModel

from gptcore import GPT
from gptcore.sampling.batches import row_ids
from gptcore.sampling.drawing import sample_ids

N_PROMPT, N_NEW = 128, 128
LENGTHS = range(8, 129, 8)
BATCH_TARGET = ">= 1.2x"


def main() -> None:
    """Print one table."""
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"Generating {N_NEW} tokens, {chosen.threads} threads, against transformers")
    header("ms")
    for network in NETWORKS[: 1 if chosen.quick else None]:
        compare(network, 2 if chosen.quick else chosen.runs)
        compare_batch(network, 2 if chosen.quick else chosen.runs)


def compare(network: Network, runs: int) -> None:
    """Time whole continuations of the same prompt, read anew each time."""
    torch.manual_seed(0)
    model = GPT(replace(network.config, n_ctx=N_PROMPT + N_NEW)).eval()
    slow, fast = (twin(model, gelu).eval() for gelu in (DEFAULT, ONE_KERNEL))
    prompt = torch.randint(network.config.vocab_size, (1, N_PROMPT))
    calls = {
        "ours": lambda: ours(model, prompt),
        "": lambda: generate(slow, prompt),
        ", its GELU in one kernel": lambda: generate(fast, prompt),
        ", the same in a bare loop": lambda: bare_loop(fast, prompt),
    }
    alternate(1, calls)  # warm
    timed = alternate(runs, calls)
    mine = timed.pop("ours")
    for name, theirs in timed.items():
        for a, b in zip(mine, theirs, strict=True):
            assert a.result == b.result and len(a.result) == N_NEW, "ids differ"
        target = "" if name else f">= {network.generate}x"
        report(f"{network}{name}", mine, theirs, target, 1000)


def compare_batch(network: Network, runs: int) -> None:
    """Time whole continuations of prompts of different lengths, side by side."""
    torch.manual_seed(0)
    model = GPT(replace(network.config, n_ctx=N_PROMPT + N_NEW)).eval()
    slow, fast = (twin(model, gelu).eval() for gelu in (DEFAULT, ONE_KERNEL))
    prompts = [torch.randint(network.config.vocab_size, (n,)) for n in LENGTHS]
    lists = [ids.tolist() for ids in prompts]
    ids, mask = padded(prompts)
    calls = {
        "ours": lambda: ours_at_once(model, lists),
        "": lambda: generate_at_once(slow, ids, mask),
        ", its GELU in one kernel": lambda: generate_at_once(fast, ids, mask),
    }
    alternate(1, calls)  # warm
    timed = alternate(runs, calls)
    mine = timed.pop("ours")
    for name, theirs in timed.items():
        for a, b in zip(mine, theirs, strict=True):
            assert a.result == b.result and len(a.result[0]) == N_NEW, "ids differ"
        target = "" if name else BATCH_TARGET
        report(f"{network}, {len(lists)} prompts{name}", mine, theirs, target, 1000)


def padded(prompts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Prompts that end side by side, and which of their places hold a token."""
    places = max(map(len, prompts))
    ids = torch.zeros(len(prompts), places, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, places - len(prompt) :], mask[i, places - len(prompt) :] = prompt, 1
    return ids, mask


def ours_at_once(model: GPT, prompts: list[list[int]]) -> list[list[int]]:
    """New ids of each prompt by `row_ids`."""
    found: list[list[int]] = [[] for _ in prompts]
    seeds = [0] * len(prompts)
    for row, token in row_ids(model, prompts, seeds=seeds, max_new_tokens=N_NEW, temperature=0):
        found[row].append(token)
    return found


def generate_at_once(model: GPT2LMHeadModel, ids: Tensor, mask: Tensor) -> list[list[int]]:
    """New ids of each prompt by their `generate`; no token ends a text."""
    out = model.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=N_NEW,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return out[:, ids.shape[1] :].tolist()


def ours(model: GPT, prompt: Tensor) -> list[int]:
    """New ids by `sample_ids`."""
    return [int(i) for i in sample_ids(model, prompt, max_new_tokens=N_NEW, temperature=0)]


def generate(model: GPT2LMHeadModel, prompt: Tensor) -> list[int]:
    """New ids by their `generate`; no token ends the text."""
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=N_NEW,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return out[0, N_PROMPT:].tolist()


@torch.inference_mode()
def bare_loop(model: GPT2LMHeadModel, prompt: Tensor) -> list[int]:
    """New ids by their forward pass and their cache."""
    new, cache, found = prompt, None, []
    for _ in range(N_NEW):
        out = model(new, past_key_values=cache, use_cache=True, logits_to_keep=1)
        new, cache = out.logits[:, -1].argmax(-1, keepdim=True), out.past_key_values
        found.append(int(new))
    return found


if __name__ == "__main__":
    main()
