"""``python -m popgen.cli``."""

import sys

from popgen.cli import main

sys.exit(main())
