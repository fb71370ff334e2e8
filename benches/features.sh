#!/usr/bin/env bash
# What each feature adds to a clean release build and to the programs. Prints a table.
#   benches/features.sh [--base FOLDER] [FEATURE...]      features: nats nostr matrix, if none is named
# A clean build of the default features comes first; --base names a target folder in which it is done already (by the same
# compiler, with this Cargo.lock), of which a copy is used. Each feature is then built on top of a copy of that: what is compiled is
# what the feature adds, and our own package, whose time without the feature is measured and taken off. Crates that
# the default build has with fewer options are compiled again and count in full, so the processor time is an upper bound.
set -euo pipefail
cd "$(dirname "$0")/.."

base=
if [ "${1:-}" = --base ]; then base=${2:?--base wants a folder}; shift 2; fi
features=("$@")
[ ${#features[@]} -gt 0 ] || features=(nats nostr matrix)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TIMEFORMAT='%R %U %S'

# Builds with `cargo build --release ARGS...` in the folder $1. Sets wall and cpu (seconds), crates (compiled, ours left out).
build() { # folder, args...
    local folder=$1
    shift
    { time CARGO_TARGET_DIR=$folder cargo build --release --locked "$@" 2>"$work/said"; } 2>"$work/time" ||
        { cat "$work/said" >&2; exit 1; }
    read -r wall user sys <"$work/time"
    cpu=$(awk "BEGIN { print $user + $sys }")
    crates=$(grep -c '^ *Compiling' "$work/said" || true)
}
size() { stat -c %s "$1/release/$2"; }
mib() { awk "BEGIN { printf \"%.1f MiB\", $1 / 1048576 }"; }
# The smallest a program can be said to be is with its symbols gone, which the profile `release` sees to.
row() { # what, cpu, wall, crates, folder
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$3" "$4" "$(mib "$(size "$5" skcomm-tui)")" "$(mib "$(size "$5" skcomm)")"
}

echo '| build | processor time | by the clock | crates | skcomm-tui | skcomm |'
echo '|---|---:|---:|---:|---:|---:|'
if [ -z "$base" ]; then
    base=$work/base
    build "$base"
    row 'default, clean' "$cpu s" "$wall s" "$((crates - 1))" "$base"
fi
# Our own package alone: a copy of the finished folder in which only it is not fresh.
cp -a "$base" "$work/default"
find "$work/default/release/.fingerprint" -maxdepth 1 -name 'skcomm-tui-*' -exec rm -rf {} +
build "$work/default"
[ "$crates" = 1 ] || { echo "$crates crates were compiled anew: the base is not of these sources and this compiler" >&2; exit 1; }
own=$cpu
row 'our package alone, default features' "$cpu s" "$wall s" 0 "$work/default"
for feature in "${features[@]}"; do
    cp -a "$base" "$work/$feature"
    build "$work/$feature" --features "$feature"
    added=$(awk "BEGIN { printf \"%.0f\", $cpu - $own }")
    row "with $feature: added" "$added s" "$wall s, ours included" "$((crates - 1))" "$work/$feature"
    rm -rf "${work:?}/$feature"
done
