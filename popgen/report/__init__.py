"""Reports: the figures of a comparison as plain data, one HTML page and its JSON twin."""

from popgen.report.hits import Hits, margin_hits
from popgen.report.render import render, write_report
from popgen.report.summary import Summary, summarise

__all__ = ["Hits", "Summary", "margin_hits", "render", "summarise", "write_report"]
