#!/bin/sh
# Installs Debian's chromium for the browser tests where that is possible; elsewhere says so and succeeds.
# The headless shell is the same browser without windows, at half the processor time; older releases have none.
for browser in chromium-headless-shell chromium; do
    if command -v "$browser" >/dev/null; then
        echo "$browser is here: $("$browser" --version 2>/dev/null)"
        exit
    fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    for browser in chromium-headless-shell chromium; do
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$browser" && exit
    done
    exit 1
fi
echo "no chromium here, and it cannot be installed without root and apt-get: the browser tests will be skipped"
