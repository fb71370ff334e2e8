#!/usr/bin/env bash
# nostr-relay, a Nostr relay that shares no code with ours, in a Python environment below target/tools. Prints the path of that
# environment's Python.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=$PWD/target/tools/nostr
python=$venv/bin/python
works() { [ -x "$python" ] && "$python" -c 'import nostr_relay.web' >/dev/null 2>&1; }

# One at a time: a second run waits for the first and finds its work done.
mkdir -p target/tools
exec 9>"$venv.lock"
flock 9
if ! works; then
    log=$venv.log
    packages() {
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
        { apt-get update && apt-get install -y --no-install-recommends "$@"; } >>"$log" 2>&1
    }
    fill() { "$python" -m pip install --quiet --disable-pip-version-check 'nostr-relay>=1.14,<2' >>"$log" 2>&1; }
    : >"$log"
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >>"$log" 2>&1; then
        packages python3 python3-venv || { echo "no Python with venv; see $log" >&2; exit 1; }
        rm -rf "$venv"
        python3 -m venv "$venv" >>"$log" 2>&1
    fi
    fill || { packages build-essential python3-dev libsecp256k1-dev pkg-config && fill; } || { echo "see $log" >&2; exit 1; }
    works || { echo "it is installed but does not start; see $log" >&2; exit 1; }
fi
printf '%s\n' "$python"
