#!/bin/sh
# Installs what is missing, builds everything with assertions on and runs every test.
# --no-install leaves the machine as it is.

set -eu
. "$(dirname -- "$0")/setup.sh"

install_dependencies tests
choose_compiler
cd "$root"
cmake --workflow --preset dev
