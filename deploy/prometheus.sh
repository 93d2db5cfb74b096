#!/bin/sh
# Installs Debian's Prometheus for its tests where that is possible; elsewhere says so and succeeds.
if command -v prometheus >/dev/null; then
    echo "Prometheus is here: $(prometheus --version 2>&1 | head -n 1)"
    exit
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    # Its program alone: no service is started, tests start their own.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends prometheus && exit
    exit 1
fi
echo "no Prometheus here, and it cannot be installed without root and apt-get: its tests will be skipped"
