"""Demonstrations before a question: which, how many, what they look like, and what fits."""

import math

import pytest
import torch
from bigrams import LANGUAGE, WORDS, bigram, letters

from gptcore.scoring.asking import ask
from gptcore.scoring.shots import Shots, behind, demonstration, room
from gptcore.scoring.tasks import Task, item

FRUIT = Task("colours", "A {fruit} is", "choice", options=("red.", "blue."))
ROWS = tuple({"fruit": name, "answer": at % 2} for at, name in enumerate(("cherry", "plum", "fig")))
ASKED = {"fruit": "sloe", "answer": 1}


def everything(one):
    return True


def test_a_demonstration_is_prompt_delimiter_and_right_answer():
    """A choice, a written answer, a target of several, and what follows an option."""
    assert demonstration(FRUIT, ROWS[1]) == "A plum is blue."
    written = Task("sum", "Q: {q}\nA:", "exact", target="{a}")
    assert demonstration(written, {"q": "1+1", "a": "2"}) == "Q: 1+1\nA: 2"
    assert demonstration(written, {"q": "1+1", "a": ["2", "two"]}) == "Q: 1+1\nA: 2"
    who = Task("who", "{t}", "choice", options="names", rest=" slept.", partial=True)
    row = {"t": "So", "names": ["Tom", "Ann"], "answer": "Ann"}
    assert demonstration(who, row) == "So Ann slept."


def test_a_text_that_is_scored_whole_has_no_demonstration():
    whole = Task("text", "", "perplexity", target="{t}")
    with pytest.raises(ValueError, match="nothing to demonstrate"):
        demonstration(whole, {"t": "a b"})


def test_the_prompt_is_demonstrations_then_the_question():
    """Each followed by the separator of the task; the question as without any."""
    lines = Task("colours", "A {fruit} is", "choice", options=("red.", "blue."), separator="\n")
    shown = behind(Shots(ROWS[:1], 1), lines, ASKED, 1, everything)
    assert shown.item.context == "A cherry is red.\nA sloe is"
    assert (shown.k, shown.item.options, shown.item.answer) == (1, ("red.", "blue."), 1)
    assert behind(Shots((), 0), lines, ASKED, 1, everything).item == item(lines, ASKED)
    twice = behind(Shots(ROWS[:2], 2), FRUIT, ASKED, 1, everything).item.context
    texts = sorted(twice.split("\n\n")[:-1])
    assert texts == ["A cherry is red.", "A plum is blue."]


def test_a_question_is_never_shown_before_itself():
    """Of three rows one is asked, so two can be shown, and three cannot."""
    for number in range(20):
        shown = Shots(ROWS, 2).drawn(FRUIT, number, ROWS[0])
        assert sorted(shown) == ["A fig is red.", "A plum is blue."]
    with pytest.raises(ValueError, match="k=3 demonstrations: only 2 rows are not asked"):
        Shots(ROWS, 3).drawn(FRUIT, 0, ROWS[0])


def test_other_questions_and_seeds_draw_others():
    """All orders of two of three come up, and the same number draws the same."""
    several = [tuple(Shots(ROWS, 2).drawn(FRUIT, n, ASKED)) for n in range(60)]
    assert len(set(several)) == 6
    assert several == [tuple(Shots(ROWS, 2).drawn(FRUIT, n, ASKED)) for n in range(60)]
    assert several != [tuple(Shots(ROWS, 2, seed=1).drawn(FRUIT, n, ASKED)) for n in range(60)]


@pytest.mark.parametrize(
    ("k", "told"),
    [(-1, "k=-1 must be a whole"), (1.5, "k=1.5"), (True, "k=True"), (4, "k=4 .* from 3 rows")],
)
def test_k_keeps_its_rule(k, told):
    with pytest.raises(ValueError, match=told):
        Shots(ROWS, k)


def test_the_first_demonstrations_go_where_there_is_no_room():
    """Letters are tokens: a question of 2 and an answer of up to 3; a demonstration of 4 and a
    separator of 1, so that 9 tokens hold the question alone, 10 one demonstration and 15 two."""
    tokenizer = letters("abcd ")
    task = Task("t", "{q}", "exact", target="{a}", separator=" ", max_new_tokens=3)
    shots = Shots(({"q": "ab", "a": "c"}, {"q": "ba", "a": "d"}), 2)
    for n_ctx, k in ((9, 0), (10, 1), (14, 1), (15, 2), (3, 0)):
        shown = behind(shots, task, {"q": "dd", "a": "c"}, 1, room(task, tokenizer, n_ctx))
        assert shown.k == k, n_ctx
        if k:
            both = behind(shots, task, {"q": "dd", "a": "c"}, 1, everything).item.context
            assert both.endswith(shown.item.context)
            assert len(shown.item.context) + 3 <= n_ctx


def test_room_is_kept_for_the_longest_option():
    """Of two options the longer one has to fit behind the prompt, and the rest with it."""
    tokenizer = letters("abcd ")
    task = Task("t", "{q}", "choice", options=("a", "abc"), rest="dd")
    fits = {n: room(task, tokenizer, n)(item(task, {"q": "bb", "answer": 0})) for n in (7, 8)}
    assert fits == {7: False, 8: True}  # bb, space, abc, dd


def test_the_report_has_whole_prompts_and_says_how_many_fit():
    """A context of 8 tokens holds "b aa b" and an answer of one token twice, not thrice."""
    task = Task("t", "{p}", "choice", options=("a", "b"), separator=" ")
    rows = [{"p": "b", "answer": 0}, {"p": "bbbbb", "answer": 1}]
    shots = Shots(({"p": "a", "answer": 1},), 1)
    report = ask(bigram(LANGUAGE), WORDS, task, rows, shots=shots)
    assert [one["prompt"] for one in report.answers] == ["a b b", "bbbbb"]
    assert [one["shots"] for one in report.answers] == [1, 0]
    assert (report.n_fewer, report.n_cut) == (1, 0)
    assert ask(bigram(LANGUAGE), WORDS, task, rows).n_fewer == 0


def test_the_model_reads_them_and_no_weight_changes():
    """A bigram model sees the last token alone. Behind b it gives a .3 and aa .3 · .5; where a
    demonstration ends the prompt in a, .5 and .5 · .5."""
    model = bigram(LANGUAGE, n_ctx=32)
    before = [p.clone() for p in model.parameters()]
    task = Task("t", "{p}", "choice", options=("a", "aa"), delimiter="", separator="")
    shots = Shots(({"p": "b", "answer": 0},), 1)
    plain, few = (
        ask(model, WORDS, task, [{"p": p, "answer": 1}], shots=one).answers[0]
        for p, one in (("b", None), ("", shots))
    )
    assert (plain["prompt"], few["prompt"]) == ("b", "ba")
    assert plain["log_probs"] == pytest.approx([math.log(0.3), math.log(0.15)], abs=1e-4)
    assert few["log_probs"] == pytest.approx([math.log(0.5), math.log(0.25)], abs=1e-4)
    assert all(map(torch.equal, before, model.parameters()))
    assert all(p.grad is None for p in model.parameters())


def test_few_texts_are_tokenized_though_many_are_drawn():
    """Of 100 demonstrations as many fit as counting says, and some seven prompts are looked at."""
    rows = tuple({"q": f"{i}", "a": "x"} for i in range(100))
    task, seen = Task("t", "{q}", "exact", target="{a}", separator="\n"), []

    def fits(one):
        seen.append(one)
        return one.context.count("\n") <= 37

    shown = behind(Shots(rows, 100), task, {"q": "?", "a": "y"}, 1, fits)
    assert shown.k == shown.item.context.count("\n") == 37
    assert len(seen) <= 8
