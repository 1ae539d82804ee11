"""`Cache`: a folder that holds every answer, one file each: a run that was killed resumes from it.

An answer's file is named by the SHA-256 of all that it depends on: model, message, schema,
parameters and the number of the draw. Neither address nor key is part of it, or in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popgen.errors import PopgenError
from popgen.personas.endpoint import Endpoint
from popgen.personas.request import Reply, Request
from popgen.writing import as_json, of_text, write_atomically

ABOUT = ("status", "detail", "usage", "model")
"""What is kept of a reply, besides its rows."""


@dataclass(frozen=True)
class Cache:
    """A folder of answers.

    Attributes
    ----------
    folder : Path
        Made when the first answer is kept.
    """

    folder: Path

    def find(self, request: Request, endpoint: Endpoint) -> Reply | None:
        """Return the answer to a request, if there is one.

        Raises
        ------
        PopgenError
            If its file is not what was written.
        """
        path = self._path(endpoint.key(request))
        if not path.is_file():
            return None
        try:
            held = json.loads(path.read_text(encoding="utf-8"))["reply"]
            rows = request.checked(held["rows"]) if held["status"] == "answered" else ()
            about = {name: held[name] for name in ABOUT}
        except (ValueError, KeyError, TypeError) as error:
            raise PopgenError(
                f"{path} is not an answer that was kept ({error}); delete it, to ask again"
            ) from None
        return Reply(request, rows=rows, cached=True, **about)

    def keep(self, reply: Reply, endpoint: Endpoint) -> None:
        """Write an answer, whole or not at all."""
        path = self._path(endpoint.key(reply.request))
        path.parent.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {
            "model": endpoint.model,
            "parameters": endpoint.parameters,
            "draw": reply.request.draw,
            "message": reply.request.message,
            "schema": reply.request.schema,
        }
        said = {name: getattr(reply, name) for name in (*ABOUT, "rows")}
        write_atomically(path, of_text(as_json({"request": told, "reply": said})))

    def missing(self, requests: Sequence[Request], endpoint: Endpoint) -> list[Request]:
        """Give the requests that have no answer yet."""
        return [r for r in requests if not self._path(endpoint.key(r)).is_file()]

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
