"""Runs a Pulumi program; started by `program.py` with the program's own interpreter, so it imports nothing of ours.

The SDK is imported at once, then one line of JSON on stdin says where the engine is: both load at the same time.
Exit codes as pulumi-language-python-exec's: 32 after an exception that was reported, 1 after a RunError.
"""

from __future__ import annotations

import asyncio
import gc
import json
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

REPORTED = 32


def main() -> int:
    import pulumi
    from pulumi.errors import RunError
    from pulumi.runtime import Settings, configure, run_in_stack
    from pulumi.runtime.config import set_all_config

    job = json.loads(sys.stdin.readline())
    sys.path[0] = job["program"]  # in place of this file's folder
    sys.argv = [job["program"]]
    set_all_config(job["config"], job["secret_keys"])
    configure(Settings(**job["settings"]))

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(job["threads"]))
        await run_in_stack(lambda: runpy.run_path(job["program"], run_name="__main__"))  # type: ignore[arg-type,return-value]

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run())
    except RunError as e:
        pulumi.log.error(str(e))
        return 1
    except Exception:
        pulumi.log.error("Program failed with an unhandled exception:\n" + traceback.format_exc())
        return REPORTED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    code = main()
    gc.freeze()  # the process is over: looking for garbage among a provider's thousands of classes takes 0.2 s
    sys.exit(code)
