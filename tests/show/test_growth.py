"""The explorer of a network that learns: what it keeps of a run, and what it refuses."""

import json

import pytest

from gptcore.show import Growth
from gptcore.show.explorers.growth.growth import MAX_POINTS, Moment, thinned

MOMENTS = [Moment("fresh", 0, 7.62511, "xq zz"), Moment("after 10 updates", 2560, 5.5, " the the")]


def test_the_state_is_plain_and_whole() -> None:
    """The twin holds stops, lines and references as JSON, losses with few decimals."""
    made = Growth(
        MOMENTS, {"training": ([256, 512], [7.6, 7.41234])}, reference={"bigram": 3.07557}
    )
    state = json.loads(made.twin().split('"application/json">')[1].split("</script>")[0])
    assert [stop["loss"] for stop in state["moments"]] == [7.6251, 5.5] and state["at"] == 0
    assert state["lines"] == {"training": [[256, 512], [7.6, 7.412]]}
    assert state["reference"] == {"bigram": 3.0756}


def test_the_text_says_losses_and_how_it_began_and_ended() -> None:
    """What a reader without JavaScript gets."""
    alt = Growth(MOMENTS, {}, prompt="One").alt
    assert "fresh 7.63; after 10 updates 5.50." in alt
    assert "begins 'Onexq zz…', the last 'One the the…'" in alt


def test_a_long_run_is_thinned_on_a_logarithmic_axis() -> None:
    """Of 1,000 updates the first stay each, the last stays, and most of the late ones go."""
    xs = [256 * (i + 1) for i in range(1000)]
    kept, ys = thinned(xs, [float(x) for x in xs])
    assert len(kept) <= MAX_POINTS and kept[:3] == xs[:3] and kept[-1] == xs[-1]
    assert kept == sorted(kept) and ys == kept
    early = sum(x <= 25_600 for x in kept)
    assert early > len(kept) / 2, "the first tenth of the run is more than half of the axis"
    assert thinned([1, 2], [3.0, 4.0]) == [[1, 2], [3.0, 4.0]]


@pytest.mark.parametrize(
    "moments, lines, message",
    [
        ([], {}, r"moments=\[\] must hold at least one"),
        ([Moment("odd", -1, 1.0, "")], {}, "tokens=-1 of 'odd' must be at least 0"),
        (MOMENTS, {"training": ([1, 2], [1.0])}, r"lines\['training'\] has 2 tokens for 1 losses"),
    ],
)
def test_what_cannot_be_drawn_is_named(moments: list, lines: dict, message: str) -> None:
    """Field, value and rule."""
    with pytest.raises(ValueError, match=message):
        Growth(moments, lines)
