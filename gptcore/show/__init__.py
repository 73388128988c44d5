"""Charts and source listings for the notebooks: the only room that knows plotly.

Source: none; this is presentation.
"""

from gptcore.show.live import LiveCurve
from gptcore.show.plots import bars, line, show
from gptcore.show.source import source

__all__ = ["LiveCurve", "bars", "line", "show", "source"]
