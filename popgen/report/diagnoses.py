"""The page of a persona panel's diagnostics: a picture each, and the figures behind it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from popgen.personas.diagnostics import Diagnosis
from popgen.provenance import provenance as software
from popgen.report.axes import DARK, LIGHT, colours
from popgen.report.render import environment, page_path
from popgen.report.spans import pictures
from popgen.writing import as_json, finite, of_text, write_together


def write_diagnosis(
    path: str | os.PathLike[str],
    diagnosis: Diagnosis,
    *,
    title: str = "Diagnostics of a persona panel",
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``path`` (HTML) and, beside it, its twin ``<stem>.json`` with the same figures.

    Raises
    ------
    PopgenError
        If the name does not end in .html, or the folder is absent or cannot be written.
    """
    target = page_path(path)
    about = software(**(provenance or {}))
    page = render_diagnosis(diagnosis, title=title, provenance=about)
    twin = as_json(finite({"title": title, **diagnosis.to_dict(), "provenance": about}))
    write_together({target: of_text(page), target.with_suffix(".json"): of_text(twin)})
    return target


def render_diagnosis(diagnosis: Diagnosis, *, title: str, provenance: Mapping[str, Any]) -> str:
    """Write a diagnosis as one HTML page: no scripts, nothing fetched, every text escaped.

    Examples
    --------
    >>> from popgen.personas.diagnostics import diagnose, recorded_answers
    >>> found = diagnose(recorded_answers("evidence"))
    >>> page = render_diagnosis(found, title="a < b", provenance={"software": {"popgen": "1"}})
    >>> "a &lt; b" in page, page.count("<svg")
    (True, 1)
    """
    sections = []
    for (name,), part in diagnosis.rows.group_by("diagnostic", maintain_order=True):
        question, source = diagnosis.about[str(name)]
        rows = part.to_dicts()
        sections.append(
            {
                "name": str(name),
                "question": question,
                "source": source,
                "pictures": pictures(rows),
                "rows": rows,
            }
        )
    page: str = (
        environment()
        .get_template("diagnosis.html.j2")
        .render(
            title=title,
            sections=sections,
            diagnosis=diagnosis,
            provenance=provenance,
            light=colours(LIGHT),
            dark=colours(DARK),
        )
    )
    return page
