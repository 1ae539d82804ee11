"""From a summary to files: one self-contained HTML page, and the same figures as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from popgen.errors import PopgenError
from popgen.metrics import PRIMARY, Metric
from popgen.report.axes import DARK, LIGHT, colours
from popgen.report.dots import GROUPS, dots, misses
from popgen.report.heat import heat
from popgen.report.scatter import scatters
from popgen.report.summary import Summary
from popgen.report.words import signed
from popgen.writing import as_json, of_text, write_together

Row = Mapping[str, Any]


def render(summary: Summary) -> str:
    """Write a summary as one HTML page: no scripts, nothing fetched, every text escaped.

    Examples
    --------
    >>> from popgen import Domain, Table, Variable
    >>> from popgen.report import summarise
    >>> from popgen.score import compare
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> truth = Table(sex, [50, 50])
    >>> page = render(summarise(compare({"a < b": truth}, truth, orders=[1])))
    >>> "a &lt; b" in page, "a < b" in page
    (True, False)
    """
    found = summary.strengths
    laid = (dots(summary.rows, summary.metrics, group) for group in GROUPS)
    plots = [plot for plot in laid if plot is not None]
    page: str = (
        environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            table=score_table(summary.rows, summary.metrics),
            plots=plots,
            hits=[(hits, misses(hits)) for hits in summary.hits],
            heat=None if found is None else heat(found),
            scatters=[] if found is None else scatters(found),
            light=colours(LIGHT),
            dark=colours(DARK),
        )
    )
    return page


def write_report(path: str | os.PathLike[str], summary: Summary) -> Path:
    """Write ``path`` (HTML) and, beside it, its twin ``<stem>.json`` with the same figures.

    Raises
    ------
    PopgenError
        If the name does not end in .html, or the folder is absent or cannot be written; then
        there is no new file, and old ones stay as they were.
    """
    target = page_path(path)
    page, twin = of_text(render(summary)), of_text(as_json(summary.to_dict()))
    write_together({target: page, target.with_suffix(".json"): twin})
    return target


def page_path(path: str | os.PathLike[str]) -> Path:
    """Refuse a name that is not that of a page."""
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise PopgenError(f"cannot write a report to {target}: give a name ending in .html")
    return target


def score_table(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, Any]:
    """Arrange the main scores as a table: a line a candidate and group, a column a metric."""
    there = {(row["metric"], row["order"]) for row in rows}
    columns = [(m, order) for m in metrics for order in m.main if (m.name, order) in there]
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["candidate"], row["group"])
        line = lines.setdefault(key, {"size": row["size"], "figures": {}})
        line["figures"][row["metric"], row["order"]] = row
    return {
        "columns": columns,
        "primary": PRIMARY,
        "lines": [
            {"candidate": name, "group": group, **line} for (name, group), line in lines.items()
        ],
    }


@cache
def environment() -> Environment:
    """Give the templates, every text in them escaped."""
    environment = Environment(
        loader=PackageLoader("popgen.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    return environment
