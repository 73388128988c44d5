"""Responses of a policy to many prompts at once, with the probability of everything it did.

    found = rollout(policy, prompts, max_new_tokens=48, stop={eot}, seed=0)
    found.log_p[found.mask]                  # of each token, as it was drawn
    log_p_again = ...(responses_of(policy, found))

While they are written, prompts stand side by side with their ends in one column, filled up on the
left. What has been written is kept with its beginnings in one column, filled up on the right: a
network that reads from left to right never sees what fills up there, and positions count from 0
without being told. Where a response ends is kept as its length, so no token stands for "nothing",
and the token that stops is none that could be taken for it.

Each row draws by numbers of its own, from the seed and its place, so what becomes of it does not
depend on the others. Only the temperature shapes what is drawn from: under top-k or a nucleus the
probability that a ratio needs is not the one that the network computes.

Source: ours; Ziegler et al. 2019, released code, for what a rollout keeps.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gptcore.decode import Reader
from gptcore.model import GPT
from gptcore.modes import evaluating
from gptcore.sampling.pieces import END_OF_TEXT, Stop, stops
from gptcore.sampling.prompts import check_count, writer_of

if TYPE_CHECKING:
    from gptcore.tokenizer import Tokenizer

FILLER = 0
"""Stands where no token is; any id would do, since nobody reads it."""
FEWER = 0.75
"""Rows that have ended leave the batch when no more than this part is left."""


@dataclass(frozen=True)
class Rollout:
    """Prompts and responses of a policy, and how likely each token was when it was drawn.

    B rows; R is the length of the longest response, T that of the longest row.
    """

    ids: Tensor
    """(B, T): the prompt, the response with its stop token, and fillers on the right."""
    starts: Tensor
    """(B,): tokens of the prompt; the response begins there."""
    lengths: Tensor
    """(B,): tokens of the response, the stop token included: at least 1."""
    stopped: Tensor
    """(B,) boolean: whether the response ended by itself."""
    log_p: Tensor
    """(B, R): log-probability of each token at the sampling temperature; 0 where none is."""
    entropy: Tensor
    """(B, R): of the distribution that it was drawn from, in nats; 0 where none is."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mask(self) -> Tensor:
        """(B, R) boolean: where there are tokens of responses."""
        columns = torch.arange(self.log_p.shape[1], device=self.lengths.device)
        return columns < self.lengths[:, None]

    @property
    def tokens(self) -> Tensor:
        """(B, R): the responses alone, fillers behind them."""
        columns = self.starts[:, None] + torch.arange(self.log_p.shape[1], device=self.ids.device)
        found = self.ids.gather(1, columns.clamp(max=self.ids.shape[1] - 1))
        return torch.where(self.mask, found, FILLER)

    def part(self, rows: Tensor) -> Rollout:
        """Some rows of it, no wider than they need to be."""
        lengths, starts = self.lengths[rows], self.starts[rows]
        T, R = torch.stack([(starts + lengths).max(), lengths.max()]).tolist()
        per_token = {name: getattr(self, name)[rows, :R] for name in ("log_p", "entropy")}
        found = replace(self, ids=self.ids[rows, :T], starts=starts, lengths=lengths, **per_token)
        return replace(found, stopped=self.stopped[rows])

    def responses(self) -> list[list[int]]:
        """The ids of each response, without the stop token."""
        keep = (self.lengths - self.stopped.long()).tolist()
        return [row[:n] for row, n in zip(self.tokens.tolist(), keep, strict=True)]

    def texts(self, tokenizer: Tokenizer) -> list[str]:
        """The text of each response, without the stop token; of an empty response ""."""
        if tokenizer.kind == "byte":
            return [tokenizer.decode(ids) for ids in self.responses()]
        # Word level: whether a space follows a token shows only with what stands before it.
        texts, starts = [], self.starts.tolist()
        for row, n, ids in zip(self.ids.tolist(), starts, self.responses(), strict=True):
            texts.append(tokenizer.decode(row[:n] + ids)[len(tokenizer.decode(row[:n])) :])
        return texts


def responses_of(
    model: Any, rows: Rollout, temperature: float = 1.0, vocab_size: int | None = None
) -> Tensor:
    """The logits from which a model would draw each token of the responses, over the temperature.

    Args:
        model: a GPT, in the mode in which it is to be asked.
        rows: prompts and responses.
        temperature: of the sampling.
        vocab_size: only the ids below it could be drawn; None: all.

    Returns:
        (N, V), for the N tokens of all responses, by row and within a row from left to right.
    """
    states = states_before(model, rows)
    output = model.output if vocab_size is None else model.output[:vocab_size]
    logits = torch.nn.functional.linear(states, output)
    return logits if temperature == 1 else logits / temperature


def states_before(model: Any, rows: Rollout) -> Tensor:
    """The last layer's state from which each token of the responses is drawn: (N, C).

    That of the first token is the state at the prompt's last one, and nothing is read at a
    response's last token: what would follow it is nobody's.

    Args:
        model: what has `hidden`, such as a GPT.
        rows: prompts and responses.
    """
    hidden = model.hidden(rows.ids[:, :-1])  # (B, T - 1, C)
    T = hidden.shape[1]
    places = torch.arange(rows.log_p.shape[1], device=rows.ids.device) + rows.starts[:, None] - 1
    flat = places + T * torch.arange(len(rows), device=places.device)[:, None]
    return hidden.flatten(0, 1).index_select(0, flat[rows.mask])


def tokens_that_stop(tokenizer: Tokenizer, stop: Stop = END_OF_TEXT) -> frozenset[int]:
    """The ids that end a response.

    Args:
        stop: name or id of a special token, or several; the default is what the tokenizer says
            ends a text.

    Raises:
        ValueError: it is plain text, or nothing.
    """
    found = stops(tokenizer, stop)
    if found.texts:
        raise ValueError(
            f"stop={stop!r} must be a special token of the tokenizer: a response ends by a token, "
            "which the policy learns to choose"
        )
    if not found.ids:
        raise ValueError(f"stop={stop!r} names no token, and the tokenizer none that ends a text")
    return found.ids


def rollout(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop: Collection[int],
    temperature: float = 1.0,
    seed: int = 0,
    vocab_size: int | None = None,
    batch_size: int = 256,
) -> Rollout:
    """Let a policy answer prompts, and keep how likely each of its tokens was.

    Args:
        model: in any mode; it answers without dropout.
        prompts: token ids, at least one each.
        max_new_tokens: longest response, its stop token included.
        stop: ids that end a response and belong to it.
        temperature: divides the logits; above 0.
        seed: draws the responses, of each row by numbers of its own.
        vocab_size: draw only ids below it; None: all the model has.
        batch_size: at most so many rows side by side.

    Raises:
        TypeError, ValueError: an argument breaks its rule; a prompt is empty, or leaves no room for
            the response: the message says which.
    """
    model = writer_of(model)
    check_count("max_new_tokens", max_new_tokens)
    check_count("batch_size", batch_size)
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature={temperature} must be above 0: a policy that never varies learns nothing"
        )
    _check_room(prompts, model.config.n_ctx, max_new_tokens)
    random = np.random.default_rng(seed)
    numbers = torch.from_numpy(random.random((len(prompts), max_new_tokens)))
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    with evaluating(model), torch.no_grad():
        found = _Written(len(prompts), max_new_tokens, model.device)
        for at in range(0, len(order), batch_size):
            rows = order[at : at + batch_size]
            given = [list(prompts[i]) for i in rows]
            drawn = numbers[rows].to(model.device)
            found.write(rows, model, given, drawn, temperature, frozenset(stop), vocab_size)
    return found.kept(prompts)


def _check_room(prompts: Sequence[Sequence[int]], n_ctx: int, max_new_tokens: int) -> None:
    if not len(prompts):
        raise ValueError("prompts is empty: there is nothing to respond to")
    room = n_ctx - max_new_tokens
    for i, ids in enumerate(prompts):
        if not 1 <= len(ids) <= room:
            raise ValueError(
                f"prompts[{i}] has {len(ids)} tokens; it must have from 1 to {room}, which is "
                f"n_ctx={n_ctx} less max_new_tokens={max_new_tokens}"
            )


class _Written:
    """Responses as they come."""

    def __init__(self, n: int, longest: int, device: torch.device) -> None:
        self.tokens = torch.full((n, longest), FILLER, device=device)
        self.log_p = torch.zeros(n, longest, device=device)
        self.entropy = torch.zeros(n, longest, device=device)
        self.stopped = torch.zeros(n, dtype=torch.bool, device=device)
        self.lengths = torch.zeros(n, dtype=torch.long, device=device)

    def write(
        self,
        rows: list[int],
        model: GPT,
        prompts: list[list[int]],
        numbers: Tensor,
        temperature: float,
        stop: frozenset[int],
        vocab_size: int | None,
    ) -> None:
        """Draw the responses of some rows, all side by side."""
        at = torch.tensor(rows, device=model.device)
        ending = torch.tensor(sorted(stop), device=model.device)
        reader, longest = Reader(model), numbers.shape[1]
        logits = reader.begin(prompts, longest - 1)
        open_ = torch.ones(len(at), dtype=torch.bool, device=model.device)
        for step in range(longest):
            log_p = (logits[:, :vocab_size].float() / temperature).log_softmax(dim=-1)
            p = log_p.exp()
            tokens = drawn_by(p, numbers[:, step])
            self.tokens[at, step] = torch.where(open_, tokens, FILLER)
            chosen = log_p.gather(1, tokens[:, None])[:, 0]
            self.log_p[at, step] = torch.where(open_, chosen, 0.0)
            self.entropy[at, step] = torch.where(open_, torch.special.entr(p).sum(1), 0.0)
            self.lengths[at] += open_
            ends = open_ & torch.isin(tokens, ending)
            self.stopped[at] |= ends
            open_ = open_ & ~ends
            n_open = int(open_.sum())
            if not n_open or step + 1 == longest:
                return
            if n_open <= FEWER * len(at):  # a copy of the cache, so not for every row that ends
                stay = open_.nonzero()[:, 0]
                reader.select(stay.tolist())
                at, numbers, tokens, open_ = (x[stay] for x in (at, numbers, tokens, open_))
            logits = reader.read(tokens)

    def kept(self, prompts: Sequence[Sequence[int]]) -> Rollout:
        """Prompts and responses in one row each, no wider than the longest."""
        device, lengths = self.tokens.device, self.lengths.tolist()
        T = max(len(ids) + n for ids, n in zip(prompts, lengths, strict=True))
        rows = [
            [*ids, *tokens[:n], *[FILLER] * (T - len(ids) - n)]
            for ids, tokens, n in zip(prompts, self.tokens.tolist(), lengths, strict=True)
        ]
        R = max(lengths)
        return Rollout(
            torch.tensor(rows, device=device),
            torch.tensor([len(ids) for ids in prompts], device=device),
            self.lengths,
            self.stopped,
            self.log_p[:, :R],
            self.entropy[:, :R],
        )


def drawn_by(p: Tensor, numbers: Tensor) -> Tensor:
    """The token of each row in whose share of the line from 0 to 1 its number falls.

    Args:
        p: (B, V) probabilities.
        numbers: (B,) in [0, 1), in float64: added up in fp32, the shares of rare tokens vanish.

    Returns:
        (B,). A token without probability is never drawn.
    """
    ends = p.double().cumsum(dim=-1)
    found = torch.searchsorted(ends, numbers[:, None] * ends[:, -1:], right=True)[:, 0]
    return found.clamp(max=p.shape[1] - 1)
