"""`python -m sandbox.engine ARGS…`: the command line of `pulumi`."""

import sys

from sandbox.engine.cli import main

sys.exit(main(sys.argv[1:]))
