#!/bin/sh
# One lock for development (all groups together), then a lock for each place of use that agrees with it.
set -eu
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "$@"
}
compile dev.in -o dev.txt
for group in program functions serving release sandbox; do
    compile -c dev.txt "$group.in" -o "$group.txt"
done
