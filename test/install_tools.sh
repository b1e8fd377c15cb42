#!/usr/bin/env bash
# Installs what some tests run, as root on Debian or Ubuntu: the simulator, the compilers of the kernels, a clock
# that steps, what draws layers, and a browser.
# Where that is not possible, those tests are skipped.
set -u

packages=()
for pair in valgrind:valgrind gcc:gcc make:make riscv64-linux-gnu-gcc:gcc-riscv64-linux-gnu qemu-riscv64:qemu-user \
    faketime:faketime dot:graphviz chromium:chromium; do
    command -v "${pair%%:*}" > /dev/null || packages+=("${pair#*:}")
done
[ -e /usr/include/stdlib.h ] || packages+=(libc6-dev)
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q > /dev/null
    apt-get install -q -y --no-install-recommends "${packages[@]}" > /dev/null && exit 0
fi
echo "install_tools.sh: not installed, tests of it are skipped: ${packages[*]}" >&2
