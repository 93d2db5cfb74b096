#!/bin/sh
# Installs Debian's chromium for the browser tests where that is possible; elsewhere says so and succeeds.
if command -v chromium >/dev/null; then
    echo "chromium is here: $(chromium --version 2>/dev/null)"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium
else
    echo "no chromium here, and it cannot be installed without root and apt-get: the browser tests will be skipped"
fi
