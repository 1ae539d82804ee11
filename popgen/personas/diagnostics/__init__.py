"""Diagnostics of persona panels: how steady, how informed, how slanted, how exaggerated.

Answers come as plain tables (`read_answers`); `diagnose` runs every diagnostic that their columns
allow. A new diagnostic is one function and one entry of `DIAGNOSTICS`.
"""

from popgen.personas.diagnostics.answers import Answers, read_answers
from popgen.personas.diagnostics.battery import DIAGNOSTICS, Diagnostic, diagnose
from popgen.personas.diagnostics.diagnosis import Diagnosis
from popgen.personas.diagnostics.recorded import recorded_answers

__all__ = [
    "DIAGNOSTICS",
    "Answers",
    "Diagnosis",
    "Diagnostic",
    "diagnose",
    "read_answers",
    "recorded_answers",
]
