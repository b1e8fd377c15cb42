#!/usr/bin/env bash
# Explores the caches for matrix multiplication, live: makes the kernels if need be, and measures them with cachegrind.
# On Debian and Ubuntu, what is not installed is installed where that is allowed, or named.
set -eu
cd "$(dirname "$0")"

missing=()
for tool in valgrind gcc make; do
    command -v "$tool" > /dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "cachegrind.sh: not installed: ${missing[*]}; on Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
        exit 2
    fi
    apt-get update -q > /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" > /dev/null
fi

make -s -C kernels host
run_deffe -config config_cachegrind.json "$@"
