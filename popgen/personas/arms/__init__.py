"""Arms: ways in which people are had from a language model, one file each.

To add one: its file in this package, with a frozen recipe as `popgen.personas.arm.Arm` has it; its
class in `ARMS`, here; its floor in ``pyproject.toml``, beside the others.
"""

from popgen.personas.arm import Arm
from popgen.personas.arms.conditionals import Conditionals
from popgen.personas.arms.direct import Direct
from popgen.personas.arms.feedback import Feedback
from popgen.personas.arms.fill import Fill
from popgen.personas.arms.judge import Judge
from popgen.personas.arms.prose import Prose
from popgen.personas.arms.seed import Seed

ARMS: dict[str, type[Arm]] = {
    "direct": Direct,
    "fill": Fill,
    "prose": Prose,
    "judge": Judge,
    "conditionals": Conditionals,
    "seed": Seed,
    "feedback": Feedback,
}
"""The arms there are, by the command line's names."""
