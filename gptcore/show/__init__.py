"""What notebooks show: charts, rows of evidence, explorers, source listings.

The only room that knows plotly and anywidget.

Source: none; this is presentation.
"""

from gptcore.extras import needing

with needing("show"):
    import anywidget  # noqa: F401
    import IPython  # noqa: F401
    import plotly  # noqa: F401
    import traitlets  # noqa: F401

from gptcore.show.evidence import evidence
from gptcore.show.explorers.anatomy.anatomy import Anatomy
from gptcore.show.explorers.answers.answers import AnswersExplorer
from gptcore.show.explorers.attention.attention import AttentionExplorer
from gptcore.show.explorers.attention_steps.attention_steps import AttentionSteps
from gptcore.show.explorers.budget.budget import BudgetGame
from gptcore.show.explorers.calculator.calculator import TrainingCalculator
from gptcore.show.explorers.depth.depth import DepthExplorer
from gptcore.show.explorers.descent.descent import Descent
from gptcore.show.explorers.growth.growth import Growth, Moment
from gptcore.show.explorers.input_layout.input_layout import InputLayout
from gptcore.show.explorers.label_counts.label_counts import LabelCounts
from gptcore.show.explorers.live_curve.live_curve import LiveCurve
from gptcore.show.explorers.mask_painter.mask_painter import MaskPainter
from gptcore.show.explorers.next_word.next_word import NextWord
from gptcore.show.explorers.optimized.optimized import Optimized
from gptcore.show.explorers.playground.playground import TokenizerPlayground
from gptcore.show.explorers.residual_stream.residual_stream import ResidualStream
from gptcore.show.explorers.sampling.sampling import SamplingExplorer
from gptcore.show.explorers.shots.shots import ShotsExplorer
from gptcore.show.explorers.writer.writer import Writer
from gptcore.show.plots import bars, heat, line, show
from gptcore.show.source import source

__all__ = [
    "Anatomy",
    "AnswersExplorer",
    "AttentionExplorer",
    "AttentionSteps",
    "BudgetGame",
    "DepthExplorer",
    "Descent",
    "Growth",
    "InputLayout",
    "LabelCounts",
    "LiveCurve",
    "MaskPainter",
    "Moment",
    "NextWord",
    "Optimized",
    "ResidualStream",
    "SamplingExplorer",
    "ShotsExplorer",
    "TrainingCalculator",
    "TokenizerPlayground",
    "Writer",
    "bars",
    "evidence",
    "heat",
    "line",
    "show",
    "source",
]
