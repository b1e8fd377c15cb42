#!/usr/bin/env bash
# Makes the environment and installs the test tools if need be, then runs the linter, the type checker and the tests.
set -eu
cd "$(dirname "$0")/.."
export DEFFE_EXTRAS="${DEFFE_EXTRAS:+$DEFFE_EXTRAS,}test"
. ./setup.source
bash test/install_tools.sh
bash test/slurm/start_cluster.sh || true  # where it does not start, test/slurm says so
ruff check .
if python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    mypy
else
    echo "types are not checked on Python 3.10, where NumPy and pandas are older and typed otherwise"
fi
python -m pytest "$@"
