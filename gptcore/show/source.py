"""Show a function or class of the package as it stands in its file.

Source: none; this is presentation. A listing made from the source cannot drift away from it.
"""

import inspect
import textwrap
from collections.abc import Callable

from IPython.display import display

__all__ = ["source"]


def source(thing: Callable | type) -> None:
    """Display the source of a function, method or class as a highlighted listing.

    Args:
        thing: what to list; anything whose Python source can be found.

    Raises:
        TypeError: if `thing` has no Python source (a built-in, a number).
    """
    try:
        text = inspect.getsource(thing)
    except TypeError as error:
        raise TypeError(f"source() lists Python functions and classes, got {thing!r}") from error
    name = f"{thing.__module__}.{thing.__qualname__}"
    bundle = {
        "text/markdown": f"```python\n{textwrap.dedent(text).rstrip()}\n```",
        "text/plain": f"Source of {name}",
    }
    display(bundle, raw=True)
