#!/usr/bin/env bash
# Synapse, the Matrix homeserver, and matrix-nio, an independent client, in a Python environment below target/tools. Prints the
# path of that environment's Python.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=$PWD/target/tools/matrix
python=$venv/bin/python
works() { [ -x "$python" ] && "$python" -c 'import synapse.app.homeserver, nio.crypto; assert nio.crypto.ENCRYPTION_ENABLED' >/dev/null 2>&1; }

# One at a time: a second run waits for the first and finds its work done.
mkdir -p target/tools
exec 9>"$venv.lock"
flock 9
if ! works; then
    log=$venv.log
    # What Debian's own Python lacks, and what libolm is built with where there is no ready-made package of it.
    packages() {
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
        { apt-get update && apt-get install -y --no-install-recommends "$@"; } >>"$log" 2>&1
    }
    fill() {
        "$python" -m pip install --quiet --disable-pip-version-check 'matrix-synapse>=1.130,<2' 'matrix-nio[e2e]>=0.25,<1' \
            >>"$log" 2>&1
    }
    : >"$log"
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >>"$log" 2>&1; then
        packages python3 python3-venv || { echo "no Python with venv; see $log" >&2; exit 1; }
        rm -rf "$venv"
        python3 -m venv "$venv" >>"$log" 2>&1
    fi
    fill || { packages build-essential cmake python3-dev libolm-dev && fill; } || { echo "see $log" >&2; exit 1; }
    works || { echo "it is installed but does not start; see $log" >&2; exit 1; }
fi
printf '%s\n' "$python"
