#!/bin/sh
# Installs Debian's PostgreSQL server for its tests where that is possible; elsewhere says so and succeeds.
for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V); do
    found="$folder/postgres"
done
found=${found:-$(command -v postgres || true)}
if [ -x "$found" ]; then
    echo "PostgreSQL is here: $("$found" --version)"
    exit
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q
    # Its programs alone: no cluster is made and no server started, tests make theirs.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/spillway.conf
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql && exit
    exit 1
fi
echo "no PostgreSQL here, and it cannot be installed without root and apt-get: its tests will be skipped"
