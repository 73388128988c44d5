"""Our models under lm-evaluation-harness, the program with which others measure theirs.

    from lm_eval import simple_evaluate
    from gptcore import load
    from gptcore.scoring.harness import Harness

    found = simple_evaluate(model=Harness(*load("tales-gpt1")), tasks=["lambada_openai"])

Tasks whose `dataset_path` is "json" need no network. Three rules of the harness change numbers, and
`gptcore.scoring.continuations.encoded` keeps them for both: white space at the end of a context
moves to the continuation, the joined text is tokenized again, an empty context becomes end-of-text.

Source: lm-evaluation-harness 0.4.13, `lm_eval/api/model.py` and `lm_eval/models/huggingface.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from gptcore.extras import needing
from gptcore.model import GPT
from gptcore.modes import bare
from gptcore.sampling.pieces import END_OF_TEXT
from gptcore.scoring.answers import written
from gptcore.scoring.continuations import encoded, likelihoods, start_of_text, windows
from gptcore.tokenizer import Tokenizer

with needing("harness"):
    from lm_eval.api.model import TemplateLM

SPECIAL = re.compile(r"<\|.*\|>")
SAMPLING = ("temperature", "top_k", "top_p", "seed", "repetition_penalty")
Requests = Sequence[Any]  # of lm_eval.api.instance.Instance


class Harness(TemplateLM):
    """A GPT as lm-evaluation-harness asks it.

    Args:
        model: left in the mode in which it came.
        tokenizer: the one it was trained with.
        batch_size: texts read or written side by side; changes the speed only.
        max_gen_toks: tokens of a written answer where a task does not say.
    """

    def __init__(
        self, model: GPT, tokenizer: Tokenizer, *, batch_size: int = 16, max_gen_toks: int = 256
    ) -> None:
        super().__init__()
        if tokenizer is None:
            raise ValueError("tokenizer=None: without one, text cannot be turned into tokens")
        self.model, self._own = bare(model), tokenizer
        self.batch_size, self.max_gen_toks = batch_size, max_gen_toks
        self.n_cut = 0
        """Requests so far whose context did not fit and lost its beginning."""

    @property
    def device(self) -> Any:
        """Where the model's parameters live."""
        return self.model.device

    @property
    def max_length(self) -> int:
        """Tokens that the model reads at most."""
        return self.model.config.n_ctx

    @property
    def eot_token_id(self) -> int:
        """What an empty context becomes; see `start_of_text`."""
        return start_of_text(self._own)

    @property
    def tokenizer_name(self) -> str:
        """Tells tokenizers apart where the harness keeps requests."""
        return self._own.fingerprint

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Ids of a text; special tokens written out in it are read as such, none is added."""
        return self._own.encode(string, allow_special=True)

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        return encoded(self._own, context, continuation)

    def _loglikelihood_tokens(
        self,
        requests: Sequence[tuple[Any, list[int], list[int]]],
        disable_tqdm: bool = False,
        **kwargs: Any,
    ) -> list[tuple[float, bool]]:
        """(log-probability, whether greedy decoding would write it) of each continuation."""
        pairs = [(context, rest) for _, context, rest in requests]
        told = "" if disable_tqdm else "log-likelihoods"
        found = likelihoods(self.model, pairs, batch_size=self.batch_size, progress=told)
        self.n_cut += sum(one.n_cut > 0 for one in found)
        results = [(one.log_prob, one.greedy) for one in found]
        for (texts, *_), result in zip(requests, results, strict=True):
            self.cache_hook.add_partial("loglikelihood", texts, result)
        return results

    def loglikelihood_rolling(self, requests: Requests, disable_tqdm: bool = False) -> list[float]:
        """Log-probability of whole texts of any length, each token predicted once."""
        texts = [request.args[0] for request in requests]
        each = [windows(self.tok_encode(t), self.eot_token_id, self.max_length) for t in texts]
        told = "" if disable_tqdm else "log-likelihoods"
        pairs = [pair for own in each for pair in own]
        found = iter(likelihoods(self.model, pairs, batch_size=self.batch_size, progress=told))
        results = [math.fsum(next(found).log_prob for _ in own) for own in each]
        for text, result in zip(texts, results, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), result)
        return results

    def generate_until(self, requests: Requests, disable_tqdm: bool = False) -> list[str]:
        """What the model writes after each context, up to one of the texts in `until`."""
        groups: dict[str, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(repr(sorted(request.args[1].items())), []).append(i)
        results = [""] * len(requests)
        for same in groups.values():
            found = written(
                self.model,
                self._own,
                [requests[i].args[0] for i in same],
                batch_size=self.batch_size,
                progress="" if disable_tqdm else "answers",
                **self._course(requests[same[0]].args[1]),
            )
            for i, own in zip(same, found, strict=True):
                self.n_cut += own.n_cut > 0
                results[i] = own.text
                self.cache_hook.add_partial("generate_until", requests[i].args, own.text)
        return results

    def _course(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The harness's generation arguments as those of `written`.

        Raises:
            ValueError: one of them is unknown here.
        """
        asked = dict(asked)
        until = asked.pop("until", None) or []
        until = [until] if isinstance(until, str) else list(until)
        own = {END_OF_TEXT, *self._own.specials}  # no other special token can be written
        until = [one for one in until if one and (one in own or not SPECIAL.fullmatch(one))]
        length = asked.pop("max_gen_toks", self.max_gen_toks)
        sampled = asked.pop("do_sample", (asked.get("temperature") or 0) > 0)
        course = {name: asked.pop(name) for name in SAMPLING if name in asked}
        if asked.pop("num_beams", 1) != 1 or asked:
            names = ", ".join(sorted(asked)) or "num_beams"
            raise ValueError(f"generation_kwargs has {names}, which cannot be done here")
        if not sampled:
            course = {**course, "temperature": 0}
        return {"max_new_tokens": length, "stop": until or END_OF_TEXT, **course}
