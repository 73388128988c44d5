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

from gptcore.show.anatomy import Anatomy
from gptcore.show.attention_explorer import AttentionExplorer
from gptcore.show.attention_steps import AttentionSteps
from gptcore.show.evidence import evidence
from gptcore.show.input_layout import InputLayout
from gptcore.show.live import LiveCurve
from gptcore.show.mask_painter import MaskPainter
from gptcore.show.playground import TokenizerPlayground
from gptcore.show.plots import bars, line, show
from gptcore.show.residual_stream import ResidualStream
from gptcore.show.source import source

__all__ = [
    "Anatomy",
    "AttentionExplorer",
    "AttentionSteps",
    "InputLayout",
    "LiveCurve",
    "MaskPainter",
    "ResidualStream",
    "TokenizerPlayground",
    "bars",
    "evidence",
    "line",
    "show",
    "source",
]
