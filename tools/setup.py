"""Make the project's environment: `make setup` runs this with the system's Python.

Written for any Python 3, so that an unsupported one is refused with a sentence and not with a syntax error.
Everything installed is locked by hash in requirements/*.txt; pip uses whatever index the machine is configured for.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUPPORTED = ((3, 11), (3, 12), (3, 13))


def refuse(sentence):
    sys.stderr.write("setup: " + sentence + "\n")
    sys.exit(2)


def fingerprint(*names):
    """What a part of the environment is made of: other files or another interpreter mean another environment."""
    digest = hashlib.sha256(sys.version.encode())
    for name in names:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def made(venv, part, current):
    """Whether the stamp of that part says it was made from the current files."""
    try:
        with open(os.path.join(venv, "." + part)) as file:
            return file.read() == current
    except OSError:
        return False


def stamp(venv, part, current):
    with open(os.path.join(venv, "." + part), "w") as file:
        file.write(current)


def link(path, target):
    """`path` in the project points to `target`, whatever stood there before."""
    if os.path.realpath(path) == os.path.realpath(target):
        return
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def pip(venv, *arguments):
    python = os.path.join(venv, "bin", "python")
    subprocess.run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"] + list(arguments), check=True)


def install_requirements(venv):
    if os.path.exists(venv):
        shutil.rmtree(venv)
    print("setup: creating " + venv, flush=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    print("setup: installing the locked requirements (about a minute)", flush=True)
    # The lock is whole, so pip has nothing to resolve: it would want hashes for extras that the lock has resolved.
    pip(venv, "--no-deps", "--require-hashes", "-r", os.path.join(ROOT, "requirements", "dev.txt"))
    print("setup: building the functions' layer", flush=True)
    layer = os.path.join(venv, "layers", "functions", "python")
    locked = os.path.join(ROOT, "requirements", "functions.txt")
    pip(venv, "--no-deps", "--require-hashes", "--no-compile", "--target", layer, "-r", locked)


def main():
    if sys.version_info[:2] not in SUPPORTED:
        wanted = ", ".join("{}.{}".format(*version) for version in SUPPORTED)
        found = "{}.{}".format(*sys.version_info[:2])
        refuse(
            "Understudy runs on Python " + wanted + "; this is Python " + found + " (" + sys.executable + "). "
            "Name another one: make setup PYTHON=python3.12"
        )
    started = time.monotonic()
    venv = os.path.abspath(os.path.join(ROOT, os.environ.get("UNDERSTUDY_VENV") or ".venv"))
    requirements = fingerprint("requirements/dev.txt", "requirements/functions.txt", "tools/setup.py")
    command = fingerprint("pyproject.toml")
    changed = False
    if not made(venv, "requirements", requirements):
        changed = True
        install_requirements(venv)
        stamp(venv, "requirements", requirements)
    # An environment that a build's image brings is not this checkout's to point at itself.
    own = venv == os.path.join(ROOT, ".venv")
    if own and not made(venv, "command", command):
        changed = True
        print("setup: installing the understudy command", flush=True)
        pip(venv, "--no-deps", "--no-build-isolation", "-e", ROOT)
        stamp(venv, "command", command)
    link(os.path.join(ROOT, ".venv"), venv)
    link(os.path.join(ROOT, ".understudy", "layers"), os.path.join(venv, "layers"))
    if changed:
        print("setup: ready in {:.0f} s".format(time.monotonic() - started), flush=True)


if __name__ == "__main__":
    main()
