"""Reports: the figures of a comparison as plain data, one HTML page and its JSON twin."""

from popgen.report.diagnoses import render_diagnosis, write_diagnosis
from popgen.report.hits import Hits, margin_hits
from popgen.report.render import render, write_report
from popgen.report.summary import Summary, summarise

__all__ = [
    "Hits",
    "Summary",
    "margin_hits",
    "render",
    "render_diagnosis",
    "summarise",
    "write_diagnosis",
    "write_report",
]
