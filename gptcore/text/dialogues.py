"""Dialogues as token ids: what a model is asked, what it answered, and which tokens are learned.

    asked   the text of the prompt, and an empty line
    answer  the text of the response, and the stop token, by which the model says that it has ended

Prompt and response are encoded apart, as they come when a policy answers: so what is learned is
what will be read. In a longer dialogue every turn of the model ends with the stop token and every
other one with an empty line, so whose turn it was needs no words.

What stands behind the end of a row is never scored and never read, whatever its id; so the stop
token is learned like any other and cannot be taken for padding.

Source: InstructGPT §3.2 and App. A.2 (prompts as customers write them); Ouyang et al. name no
template, so this one is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from gptcore.labelled.dialogues import MODEL, Prompt, Turn
from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.vocabulary import END_OF_TEXT

BREAK = "\n\n"


def with_stop(tokenizer: Tokenizer) -> tuple[Tokenizer, int]:
    """The tokenizer with a token that ends a text, one behind its vocabulary if it had none."""
    if tokenizer.eot is None:
        tokenizer = tokenizer.with_specials((END_OF_TEXT,))
    if tokenizer.eot is None:
        raise ValueError(
            f"the tokenizer says that {list(tokenizer.ends)} end a text: responses need one token "
            "that does"
        )
    return tokenizer, tokenizer.eot


def asked(prompt: str) -> str:
    """The text that a model is given for a prompt; of such a text, the same text."""
    return prompt.rstrip() + BREAK


def prompt_ids(prompt: Prompt | Sequence[Turn], tokenizer: Tokenizer) -> list[int]:
    """What a model reads before it answers.

    Args:
        prompt: a text, or the turns so far, the last of which is not the model's.
        tokenizer: as `with_stop` returns it.

    Raises:
        ValueError: the prompt is empty, or its last turn is the model's.
    """
    turns = [("user", prompt)] if isinstance(prompt, str) else prompt
    if not turns or not turns[-1][1].strip():
        raise ValueError(f"prompt={prompt!r} is empty: there is nothing to respond to")
    if turns[-1][0] == MODEL:
        raise ValueError(f"prompt ends with a turn of the {MODEL}; it must end with another's")
    return [token for turn in turns for token in turn_ids(turn, tokenizer)]


def response_ids(response: str, tokenizer: Tokenizer) -> list[int]:
    """A response with its stop token; of an empty one the stop token alone.

    Raises:
        TypeError: `response` is no text.
        ValueError: the tokenizer has no stop token.
    """
    if tokenizer.eot is None:
        raise ValueError("the tokenizer has no token that ends a text: see dialogues.with_stop")
    return [*tokenizer.encode(response), tokenizer.eot]


def turn_ids(turn: Turn, tokenizer: Tokenizer) -> list[int]:
    """One turn: a response, or a text and an empty line."""
    who, text = turn
    return response_ids(text, tokenizer) if who == MODEL else tokenizer.encode(asked(text))


def prompts_ids(prompts: Sequence[Prompt], tokenizer: Tokenizer) -> list[list[int]]:
    """`prompt_ids` of each.

    Raises:
        TypeError, ValueError: a prompt is no text, or empty: the message says which.
    """
    if isinstance(prompts, str):
        raise TypeError(f"prompts={prompts!r} must be a list of prompts, not one text")
    found = []
    for i, prompt in enumerate(prompts):
        try:
            found.append(prompt_ids(prompt, tokenizer))
        except (TypeError, AttributeError, IndexError) as error:
            raise TypeError(
                f"prompts[{i}]={prompt!r} must be a text, or a list of turns"
            ) from error
        except ValueError as error:
            raise ValueError(f"prompts[{i}]: {error}") from error
    return found
