"""Charts, rows of evidence and source listings for the notebooks: the only room that knows plotly.

Source: none; this is presentation.
"""

from gptcore.show.attention_explorer import AttentionExplorer
from gptcore.show.evidence import evidence
from gptcore.show.live import LiveCurve
from gptcore.show.playground import TokenizerPlayground
from gptcore.show.plots import bars, line, show
from gptcore.show.source import source

__all__ = [
    "AttentionExplorer",
    "LiveCurve",
    "TokenizerPlayground",
    "bars",
    "evidence",
    "line",
    "show",
    "source",
]
