"""The bench on which every claim is measured.

    grids        conditions × candidates × seeds: chosen on validation, reported on test, resumable
    records      one tidy table per grid, every candidate in it, on disk as JSON
    intervals    one interval for everything: seeds and test items are both chance
    verdicts     named rules that turn intervals into holds, does not hold, open
    tuning       fine-tuning until the validation score stops rising, as a grid runs it
    pretraining  a network after so many tokens of Tales, and its loss on held-out windows
    scaling      networks of several sizes on several amounts of text, as a grid runs them
    laws         the loss against size and text: fitted, resampled, foretold
    beginnings   gradients and the stream by depth, before the first update
    demonstrations  questions answered after reading text with more and with fewer demonstrations
    decoding     stories written in one way of decoding: do they hold together, do they differ
    again        a part of a grid once more, held against its record
    baselines    what needs no network trained: majority, words counted, probes of frozen states

A measurement is a `Grid`; `measure` runs it and gives a `Record`; a verdict is a rule over what
`Record.runs` returns.
"""

from gptcore.experiments.again import Again, again
from gptcore.experiments.grids import Condition, Grid, measure
from gptcore.experiments.intervals import Interval, Runs, interval
from gptcore.experiments.records import Record, record
from gptcore.experiments.verdicts import Verdict, above, ahead, all_of, within

__all__ = [
    "Again",
    "Condition",
    "Grid",
    "Interval",
    "Record",
    "Runs",
    "Verdict",
    "above",
    "again",
    "ahead",
    "all_of",
    "interval",
    "measure",
    "record",
    "within",
]
