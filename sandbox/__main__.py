"""`python -m sandbox`: AWS on this machine."""

from __future__ import annotations

import os
import sys

# Before the imports, which take a second in which the parent may die.
PARENT = os.getppid()

from sandbox.serve import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(parent=PARENT))
