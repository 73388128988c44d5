"""A head on a GPT: one linear layer that reads the last layer's state where the text ends.

The body is the pre-trained network, whole; the head and the three rows of the token table are all
that is new. What differs between tasks is how many rows an example has and what becomes of the
states that are read:

    classification, entailment   one row; state -> a number per class
    similarity                   two rows; the sum of their states -> a number per class, or one
    choice                       a row per option; each state -> one number, a softmax over all

Departures from the released code: the head has no bias, as in the paper's equation 3 (so
transformers' `OpenAIGPTForSequenceClassification` opens it); the options of an example do not
share a dropout mask; the auxiliary loss is a softmax over tokens, positions left out.

Source: GPT-1 §3.2, equations 3 to 5, and §3.3; its released code (`model` in `train.py`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptcore.gradients import tied_cross_entropy
from gptcore.model import GPT
from gptcore.modes import bare, evaluating
from gptcore.text.inputs import Example, Form, Marks, collate, cut_told, encode, with_marks
from gptcore.tokenizer import Tokenizer

Place = Literal["extract", "start", "mean"]
Trained = Literal["all", "head", "head+marks"]

N_MARKS = 3


@dataclass(frozen=True)
class HeadConfig:
    """What a head answers, and how it is trained.

    Raises:
        TypeError: `n_out` is no int.
        ValueError: a field breaks its rule; the message names field, value and rule.
    """

    form: Form
    """Which of GPT-1's four inputs it reads."""
    n_out: int
    """Number of classes; 1 for a score; number of options for choice."""
    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of their ids."""
    integers: bool = False
    """Whether these names are whole numbers, so that `classify` gives them back as such."""
    part: int | None = None
    """Longest part of a row in tokens, see `inputs.entailment`; None: n_ctx // 2 - 2."""
    aux: float = 0.5
    """λ, the weight of the language-model loss on the labelled texts; 0 leaves it out."""
    dropout: float = 0.1
    """Drop probability for the state that the head reads."""
    place: Place = "extract"
    """Which state it reads: that of the extract token (GPT-1), of the start token, or the mean."""

    def __post_init__(self) -> None:
        for name, kinds in (("form", Form), ("place", Place)):
            value = getattr(self, name)
            if value not in get_args(kinds):
                raise ValueError(f"{name}={value!r} must be one of {', '.join(get_args(kinds))}")
        if not isinstance(self.n_out, int):
            raise TypeError(f"n_out={self.n_out!r} must be an int")
        least = 1 if self.form == "similarity" else 2
        if self.n_out < least:
            raise ValueError(f"n_out={self.n_out} must be at least {least} for form={self.form!r}")
        object.__setattr__(self, "labels", tuple(self.labels))
        if self.labels and len(self.labels) != self.n_out:
            raise ValueError(
                f"labels has {len(self.labels)} names; n_out={self.n_out} needs as many"
            )
        if self.integers:
            wrong = [name for name in self.labels if not re.fullmatch("-?[0-9]+", str(name))]
            if wrong:
                raise ValueError(f"integers={self.integers}: labels={wrong[0]!r} must be a number")
        if not self.aux >= 0:
            raise ValueError(f"aux={self.aux} must be at least 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout} must be in [0, 1)")


class Classifier(nn.Module):
    """A GPT with a head for one task, trained on L3 = L2 + aux · L1.

    Args:
        gpt: the body; three of its tokens are start, delimiter and extract. Anything with
            `config`, `wte` and `hidden` serves.
        head: what the head answers. Its weights are drawn from N(0, 0.02).
    """

    def __init__(self, gpt: GPT, head: HeadConfig) -> None:
        super().__init__()
        self.gpt, self.head = gpt, head
        n_out = 1 if head.form == "choice" else head.n_out
        like = gpt.wte.weight
        self.score = nn.Linear(
            gpt.config.d_model, n_out, bias=False, device=like.device, dtype=like.dtype
        )
        nn.init.normal_(self.score.weight, std=0.02)
        self._hook: Any = None

    @property
    def config(self) -> Any:
        """The shape of the body."""
        return self.gpt.config

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return self.score.weight.device

    def forward(self, ids: Tensor, at: Tensor) -> Tensor:
        """The head's answer for each example.

        Args:
            ids: (B R, T), the R rows of an example one after the other.
            at: (B R,) the position of the extract token in each.

        Returns:
            (B, n_out) logits, or scores.
        """
        return self._answer(self.gpt.hidden(ids), at)

    def loss(self, ids: Tensor, labels: Tensor, at: Tensor, targets: Tensor) -> Tensor:
        """L3 = L2 + aux · L1 as a mean over examples, in nats; arguments as in `inputs.Batch`.

        L2 is the cross-entropy of the label, or for scores half the squared error. L1 is the
        next-token loss over the real positions of a row, new tokens included: the mean over a row,
        then over rows, as in the released code.

        Source: GPT-1 §3.2, equations 4 and 5, with the sign turned.
        """
        hidden = self.gpt.hidden(ids)
        answer = self._answer(hidden, at)
        if labels.is_floating_point():
            loss = F.mse_loss(answer.float().squeeze(1), labels) / 2
        else:
            loss = F.cross_entropy(answer.float(), labels, reduction="sum")
            loss = loss / (labels != -100).sum().clamp(min=1)
        if self.head.aux:
            loss = loss + self.head.aux * self.language_loss(hidden, at, targets)
        return loss

    def summed_loss(
        self, ids: Tensor, labels: Tensor, at: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss summed over examples, and their number; arguments as in `loss`."""
        n = (labels != -100).sum()
        return self.loss(ids, labels, at, targets) * n, n

    def language_loss(self, hidden: Tensor, at: Tensor, targets: Tensor) -> Tensor:
        """L1 with the sign turned: mean over the real positions of each row, then over rows.

        Args:
            hidden: (B R, T, C). at: (B R,). targets: (B R, T), -100 where nothing is scored.
        """
        real = targets != -100
        shares = (1 / (at * len(at)))[:, None].expand_as(targets)[real]  # row i scores at[i] tokens
        output = getattr(self.gpt, "output", self.gpt.wte.weight)  # a body of another kind is tied
        return tied_cross_entropy(hidden[real], output, targets[real], shares)

    @torch.no_grad()
    def predict(self, examples: Sequence[Example], batch_size: int = 32) -> Tensor:
        """The head's answers for any number of examples, in their order, without dropout.

        For similarity the two rows of an example are read in an order of their own. So an answer
        stays the same to the last bit when the texts are swapped, though a matrix product may
        round a row differently in another place of its batch.

        Returns:
            (n, n_out) in float32 on the CPU.
        """
        # Rows of like length side by side: little padding.
        order = sorted(range(len(examples)), key=lambda i: max(map(len, examples[i].rows)))
        answers = torch.empty(len(examples), self.head.n_out)
        with evaluating(self):
            for start in range(0, len(order), batch_size):
                chosen = order[start : start + batch_size]
                batch = collate([self._settled(examples[i]) for i in chosen])
                found = self(batch.ids.to(self.device), batch.at.to(self.device))
                answers[chosen] = found.float().cpu()
        return answers

    @torch.no_grad()
    def states(self, examples: Sequence[Example], batch_size: int = 32) -> Tensor:
        """The states that the head would read, in the order of the examples, without dropout.

        Returns:
            (n, C) in float32 on the CPU; of an example with several rows their sum.
        """
        found = []
        with evaluating(self):
            for start in range(0, len(examples), batch_size):
                batch = collate(examples[start : start + batch_size])
                at = batch.at.to(self.device)
                read = self._read(self.gpt.hidden(batch.ids.to(self.device)), at).float().cpu()
                found.append(read.unflatten(0, (-1, len(examples[0].rows))).sum(1))
        return torch.cat(found)

    def train_only(self, what: Trained, marks: Marks | None = None) -> None:
        """Choose which parameters are trained.

        Args:
            what: "all" (GPT-1); "head"; or "head+marks", the head and the rows of the token table
                for the three new tokens. Use it without weight decay, which would touch the others.
            marks: the ids of the new tokens; None: the last three of the table, where
                `inputs.with_marks` puts them unless the tokenizer had them before.
        """
        if what not in get_args(Trained):
            raise ValueError(f"what={what!r} must be one of {', '.join(get_args(Trained))}")
        if self._hook is not None:  # of an earlier call
            self._hook.remove()
            self._hook = None
        self.gpt.requires_grad_(what == "all")
        if what == "head+marks":
            table = self.gpt.wte.weight.requires_grad_(True)
            rows = list(marks or range(len(table) - N_MARKS, len(table)))
            self._hook = table.register_hook(lambda grad: _only_rows(grad, rows))

    def _settled(self, example: Example) -> Example:
        """The example with its rows in an order that does not depend on which text is the first."""
        if self.head.form != "similarity":
            return example
        return Example(tuple(sorted(example.rows)), example.label)

    def _answer(self, hidden: Tensor, at: Tensor) -> Tensor:
        state = self._read(hidden, at)  # (B R, C)
        if self.head.form == "similarity":
            state = state.unflatten(0, (-1, 2)).sum(1)  # (B, C)
        state = F.dropout(state, self.head.dropout, training=self.training)
        return self.score(state).view(-1, self.head.n_out)

    def _read(self, hidden: Tensor, at: Tensor) -> Tensor:
        if self.head.place == "start":
            return hidden[:, 0]
        if self.head.place == "extract":
            return hidden[torch.arange(len(at), device=at.device), at]
        inside = torch.arange(hidden.shape[1], device=at.device) <= at[:, None]
        return (hidden * inside[..., None]).sum(1) / (at + 1)[:, None]


def _only_rows(grad: Tensor, rows: Sequence[int]) -> Tensor:
    """The gradient of the token table with all other rows at 0."""
    only = torch.zeros_like(grad)
    only[rows] = grad[rows]
    return only


def classify(
    classifier: Classifier, tokenizer: Tokenizer, rows: Iterable[Mapping[str, Any]]
) -> list[Any]:
    """What a fine-tuned classifier says about texts without labels.

    Args:
        classifier, tokenizer: as `checkpoint.load_classifier` returns them.
        rows: dicts with `text`, and `text_b` or `choices` as the task has them.

    Returns:
        For each row the class as it was given to learn from, a word or a whole number (its id
        where classes have no names), the index of the choice, or the score.

    Raises:
        KeyError, ValueError: as in `inputs.encode`.

    Warns:
        UserWarning: texts are longer than the network can read.
    """
    classifier = bare(classifier)
    head, n_ctx = classifier.head, classifier.config.n_ctx
    tokenizer, marks = with_marks(tokenizer)
    unlabelled = [{**row, "label": 0} for row in rows]
    examples = encode(unlabelled, head.form, tokenizer, marks, n_ctx, head.part, head.n_out)
    if told := cut_told({"": examples}, n_ctx):
        warnings.warn(told, stacklevel=2)
    answers = classifier.predict(examples)
    if head.n_out == 1:
        return answers[:, 0].tolist()
    best = answers.argmax(1).tolist()
    names = [int(name) for name in head.labels] if head.integers else head.labels
    return [names[i] for i in best] if names else best


def body(
    gpt: GPT, vocab_size: int, *, dropout: float = 0.1, n_blocks: int | None = None, seed: int = 0
) -> GPT:
    """A copy of a pre-trained network to fine-tune, with room for the new tokens.

    Args:
        gpt: pre-trained; stays as it is.
        vocab_size: of the tokenizer that `inputs.with_marks` returned. Rows of the token table that
            `gpt` lacks are drawn from N(0, 0.02).
        dropout: of the copy, everywhere.
        n_blocks: keep the embeddings and so many first blocks, and draw the rest anew (GPT-1 §5,
            Figure 2, left); None keeps everything.
        seed: draws what is new.

    Raises:
        ValueError: `n_blocks` is not between 0 and the number of blocks.
    """
    n_layer = gpt.config.n_layer
    kept = n_layer if n_blocks is None else n_blocks
    if not 0 <= kept <= n_layer:
        raise ValueError(f"n_blocks={n_blocks} must be between 0 and n_layer={n_layer}")
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        torch.manual_seed(seed)
        copy = GPT(replace(gpt.config, vocab_size=vocab_size, dropout=dropout)).to(gpt.device)
    new = copy.state_dict()
    for name, p in gpt.state_dict().items():
        block = int(name.split(".")[1]) if name.startswith("h.") else None
        if name in ("wte.weight", "lm_head.weight"):
            n = min(len(p), vocab_size)
            new[name][:n] = p[:n]
        elif (block is not None and block < kept) or name == "wpe.weight" or kept == n_layer:
            new[name].copy_(p)
    return copy
