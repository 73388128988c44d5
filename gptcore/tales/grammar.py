"""Templates of the tales: literal text, `{one|another}` choices and `$role.form` references.

Source: ours; the notation follows the recursive text grammars of the Dada Engine and Tracery.
"""

from __future__ import annotations

import re

# A compiled template is a tuple of parts: str is literal, Ref a reference, tuple a choice.
Template = tuple

_TOKEN = re.compile(r"\$([a-zA-Z])(?:\.([A-Za-z]+))?|([{}|])")
_CAPITAL = re.compile(r'(^"?|[.!?] "?|\." "?|[?!]" "|\n"?)([a-z])|\^(.)')
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeio]|u(?!n[ij]|s[aeiu])|hour|honest|A|E|I[a-z])(?!one)")


class Ref(list):
    """A reference `[role, form]` to something that the event knows."""

    __slots__ = ()


def compile_template(text: str) -> Template:
    """Return the template that the text describes.

    Raises: ValueError when braces do not match.
    """
    stack: list[list] = [[[]]]
    at = 0
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            stack[-1][-1].append(text[at : match.start()])
        at = match.end()
        role, form, mark = match.groups()
        if role:
            stack[-1][-1].append(Ref((role.lower(), form or "")))
        elif mark == "{":
            stack.append([[]])
        elif mark == "|" and len(stack) > 1:
            stack[-1].append([])
        elif mark == "}" and len(stack) > 1:
            options = tuple(tuple(option) for option in stack.pop())
            stack[-1][-1].append(options)
        else:
            raise ValueError(f"template={text!r} has a {mark!r} without its partner")
    if len(stack) != 1:
        raise ValueError(f"template={text!r} has a '{{' without its partner")
    if at < len(text):
        stack[-1][-1].append(text[at:])
    return tuple(stack[0][0])


def _raise_case(match: re.Match[str]) -> str:
    return match[3].upper() if match[3] else match[1] + match[2].upper()


def polish(text: str) -> str:
    """Return the text with capitals at sentence starts and `an` before vowels."""
    text = text.replace("  ", " ").replace(" .", ".").replace(" ,", ",").replace(",,", ",")
    return _ARTICLE.sub(r"\1n ", _CAPITAL.sub(_raise_case, text))
