"""`python -m sandbox.engine ARGS…`: the command line of `pulumi`."""

import gc
import sys

from sandbox.engine.cli import main

code = main(sys.argv[1:])
gc.freeze()  # the process is over: looking for garbage once more would take longer than a short command
sys.exit(code)
