#!/usr/bin/env bash
# Installs nats-server if it is missing (a package of the system) and prints the path of its program.
set -euo pipefail
if ! command -v nats-server >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || exit 1
    { apt-get update && apt-get install -y --no-install-recommends nats-server; } >/dev/null 2>&1
    # The package starts one of its own, which no test needs.
    systemctl disable --now nats-server >/dev/null 2>&1 || true
fi
command -v nats-server
