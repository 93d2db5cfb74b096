#!/bin/sh
# Installs Debian's nginx, which stands in front of several web processes, where that is possible; elsewhere says so and succeeds.
PATH="$PATH:/usr/sbin:/usr/local/sbin"
if command -v nginx >/dev/null; then
    echo "nginx is here: $(nginx -v 2>&1)"
    exit
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nginx-light
    exit
fi
echo "no nginx here, and it cannot be installed without root and apt-get: web processes are reached directly, and its tests are skipped"
