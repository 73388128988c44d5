"""Whether two values are the same, where they first differ, and how to write a value in one line.

Source: none; this is teaching.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import islice
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

RTOL = 1e-5  # single precision carries about seven digits
LONGEST = 400  # characters of a value that are shown
MOST = 60  # parts of a list or dict that are shown


def equal(got: Any, want: Any, *, atol: float) -> bool:
    """Whether an answer is the one expected, up to the tolerance.

    Args:
        got: the answer, anything at all.
        want: what is expected.
        atol: how far apart two floating-point numbers may be.
    """
    return _differ(got, want, atol, "") is None


def difference(got: Any, want: Any, *, atol: float) -> str:
    """One sentence: the first place where an answer is not what is expected.

    Args:
        got: the answer, anything at all.
        want: what is expected; differs from `got`.
        atol: how far apart two floating-point numbers may be.
    """
    return _differ(got, want, atol, "") or "They are the same."


def kind_of(value: Any) -> str:
    """The kind of a value in words, such as "a list" or "a tensor of shape (2, 3)"."""
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {_short(value.dtype)}"
    if isinstance(value, np.ndarray):
        return f"a NumPy array of shape {value.shape}"
    if inspect.isgenerator(value):
        return "a generator"
    if callable(value):
        return "a function or a class"
    names = {
        bool: "True or False",
        int: "a whole number",
        float: "a number",
        str: "a text",
        type(None): "None",
    }
    name = names.get(type(value))
    if name is None:
        word = type(value).__name__
        name = f"{'an' if word[0] in 'aeiouAEIOU' else 'a'} {word}"
    return name


def describe(value: Any) -> str:
    """A value as text: numbers with four decimals, tensors as rows, long ones cut short."""
    value = _plain(value)
    if isinstance(value, torch.Tensor):
        numbers = _rows(value)
        text = f"tensor of shape {tuple(value.shape)}" + (f"\n{numbers}" if numbers else "")
    elif isinstance(value, torch.nn.Module):
        text = f"a {type(value).__name__}"
    else:
        text = _written(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"


def in_order(names: Any, order: Iterable[str]) -> Any:
    """Names as a list in their order, whatever collection they came in; anything else as it is."""
    order = list(order)
    if isinstance(names, list | tuple | set | frozenset) and all(name in order for name in names):
        return sorted(names, key=order.index)
    return names


def _differ(got: Any, want: Any, atol: float, at: str) -> str | None:
    """None if the two are the same, else a sentence; `at` is the place in the whole."""
    got, want = _plain(got), _plain(want)
    if isinstance(want, np.ndarray):
        if not isinstance(got, np.ndarray):
            return _kinds(got, want, at)
        got, want = torch.from_numpy(got), torch.from_numpy(want)
    if isinstance(want, torch.Tensor):
        return _tensors(got, want, atol, at)
    if isinstance(want, bool) or want is None or isinstance(want, str | bytes):
        return _exact(got, want, at)
    if isinstance(want, Real):
        return _numbers(got, want, atol, at)
    if isinstance(want, Mapping):
        return _mappings(got, want, atol, at)
    if isinstance(want, Set):
        return _sets(got, want, at)
    if isinstance(want, Sequence):
        return _sequences(got, want, atol, at)
    return _exact(got, want, at)


def _plain(value: Any) -> Any:
    """A single number out of NumPy or torch as Python's own."""
    if isinstance(value, torch.Tensor) and value.dim() == 0:
        return value.item()
    return value.item() if isinstance(value, np.generic) else value


def _kinds(got: Any, want: Any, at: str) -> str:
    where = f" at {at}" if at else ""
    message = f"The answer{where} is {kind_of(got)}, and {kind_of(want)} was expected"
    if isinstance(got, torch.Tensor) and isinstance(want, Sequence):
        return f"{message}: `.tolist()` makes a list of a tensor."
    if isinstance(want, torch.Tensor) and isinstance(got, list | tuple):
        return f"{message}: `torch.tensor(...)` makes one of a list."
    if inspect.isgenerator(got):
        return f"{message}: collect what you yield, and return it."
    if callable(got):
        return f"{message}: was it called, with brackets behind its name?"
    return f"{message}."


def _exact(got: Any, want: Any, at: str) -> str | None:
    if type(got) is not type(want):
        return _kinds(got, want, at)
    if got == want:
        return None
    if not isinstance(want, str | bytes):
        return _values(got, want, at)
    differ = (i for i, (one, other) in enumerate(zip(got, want, strict=False)) if one != other)
    place = next(differ, None)
    if place is None:
        what = "characters" if isinstance(want, str) else "bytes"
        where = f" at {at}" if at else ""
        return f"The answer{where} has {len(got)} {what}, and {len(want)} were expected."
    return f"The first difference is at {at + ', ' if at else ''}position {place}."


def _values(got: Any, want: Any, at: str) -> str:
    where = f"The first difference is at {at}: there the answer is" if at else "The answer is"
    return f"{where} {_apart(got, want)} was expected."


def _apart(got: Any, want: Any) -> str:
    """Both values, with as many digits as it takes to tell them apart."""
    texts = describe(got), describe(want)
    if texts[0] == texts[1] and isinstance(got, float) and isinstance(want, float):
        texts = f"{got:.10g}", f"{want:.10g}"
    return f"{texts[0]}, and {texts[1]}"


def _numbers(got: Any, want: Real, atol: float, at: str) -> str | None:
    if isinstance(got, bool) or not isinstance(got, Real):
        return _kinds(got, want, at)
    if isinstance(want, Integral):
        return None if got == want else _values(got, want, at)
    same = math.isclose(got, want, rel_tol=RTOL, abs_tol=atol) or (got != got and want != want)
    return None if same else _values(got, want, at)


def _sequences(got: Any, want: Sequence, atol: float, at: str) -> str | None:
    if isinstance(got, str | bytes) or not isinstance(got, Sequence):
        return _kinds(got, want, at)
    for i, (one, other) in enumerate(zip(got, want, strict=False)):
        found = _differ(one, other, atol, f"{at}[{i}]")
        if found:
            return found
    if len(got) == len(want):
        return None
    where = f" at {at}" if at else ""
    extra = "; as far as both go, they agree" if got and want else ""
    return f"The answer{where} has length {len(got)}, and {len(want)} was expected{extra}."


def _mappings(got: Any, want: Mapping, atol: float, at: str) -> str | None:
    if not isinstance(got, Mapping):
        return _kinds(got, want, at)
    where = f" at {at}" if at else ""
    for key in want:
        if key not in got:
            return f"The answer{where} lacks the key {key!r}."
    for key in got:
        if key not in want:
            return f"The answer{where} has a key too many: {key!r}."
    found = (_differ(got[key], want[key], atol, f"{at}[{key!r}]") for key in want)
    return next((sentence for sentence in found if sentence), None)


def _sets(got: Any, want: Set, at: str) -> str | None:
    if not isinstance(got, Set):
        return _kinds(got, want, at)
    if got == want:
        return None
    lacking, extra = sorted(map(repr, want - got)), sorted(map(repr, got - want))
    said = [f"lacks {lacking[0]}"] * bool(lacking) + [f"has {extra[0]} too many"] * bool(extra)
    return f"The answer{' at ' + at if at else ''} {' and '.join(said)}."


def _tensors(got: Any, want: torch.Tensor, atol: float, at: str) -> str | None:
    where = f" at {at}" if at else ""
    if not isinstance(got, torch.Tensor):
        return _kinds(got, want, at)
    if got.shape != want.shape:
        return (
            f"The answer{where} has shape {tuple(got.shape)}, and {tuple(want.shape)} was expected."
        )
    kinds = [_number_kind(one) for one in (got, want)]
    if kinds[0] != kinds[1]:
        return f"The answer{where} holds {kinds[0]}, and {kinds[1]} were expected."
    got, want = got.detach().cpu(), want.detach().cpu()
    if kinds[1] == "floating-point numbers":
        got, want = got.double(), want.double()
        same = torch.isclose(got, want, rtol=RTOL, atol=atol, equal_nan=True)
    else:
        same = got == want
    if bool(same.all()):
        return None
    first = tuple((~same).nonzero()[0].tolist())
    place = ", ".join(map(str, first))
    one, other = got[first].item(), want[first].item()
    count = f"{int((~same).sum())} of {same.numel()} numbers differ{where}"
    both = _apart(one, other)
    sentence = f"{count}, the first at [{place}]: there the answer is {both} was expected."
    if bool(got.isnan().any()) and not bool(want.isnan().any()):
        sentence += " The answer holds nan, not a number: something like 0/0 or inf - inf."
    return sentence


def _number_kind(tensor: torch.Tensor) -> str:
    if tensor.dtype == torch.bool:
        return "True and False"
    return "floating-point numbers" if tensor.is_floating_point() else "whole numbers"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _written(value: Any) -> str:
    """Like repr; numbers with a point are rounded, and long collections end in dots."""
    value = _plain(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, torch.Tensor | np.ndarray):
        return _written(value.tolist())
    if isinstance(value, list | tuple):
        inner = [_written(part) for part in value[:MOST]] + ["…"] * (len(value) > MOST)
        if isinstance(value, list):
            return f"[{', '.join(inner)}]"
        return f"({', '.join(inner)}{',' * (len(inner) == 1)})"
    if isinstance(value, Mapping):
        pairs = [f"{_written(key)}: {_written(part)}" for key, part in islice(value.items(), MOST)]
        return "{" + ", ".join(pairs + ["…"] * (len(value) > MOST)) + "}"
    try:
        return repr(value)
    except Exception:  # a reader's own class may have a repr that fails
        return kind_of(value)


def _number(value: float) -> str:
    """Four decimals, or four digits of a small number."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or abs(value) >= 0.01:
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:.4g}"


def _rows(tensor: torch.Tensor) -> str:
    """A vector or matrix as lines, its corner if it is large; of more dimensions the first one."""
    if tensor.numel() == 0:
        return ""
    lead = max(tensor.dim() - 2, 0)
    matrix = tensor.detach()[(0,) * lead].reshape(-1, tensor.shape[-1])
    written = [[_written(number) for number in row[:8].tolist()] for row in matrix[:6]]
    width = max(len(number) for row in written for number in row)
    wide = " …" * (matrix.shape[1] > 8)
    rows = [" ".join(number.rjust(width) for number in row) + wide for row in written]
    rows = [f"[{', '.join('0' * lead)}] of it:"] * bool(lead) + rows
    return "\n".join(rows + ["…"] * (len(matrix) > 6))
