#!/usr/bin/env bash
# What each feature adds to a clean release build and to the programs. Prints a table.
#   benches/features.sh [--base FOLDER] [--own SECONDS] [FEATURE...]      features: nats nostr matrix, if none is named
# A clean build of the default features comes first; --base names a target folder in which it is done already (by the same
# compiler, with this Cargo.lock), of which a copy is used. Each feature is then built on top of a copy of that: what is compiled is
# what the feature adds, and our own package, whose time without the feature is measured and taken off (--own names what an
# earlier run measured for that). Crates that the default build has with fewer options are compiled again and count in full, so
# the processor time is an upper bound.
set -euo pipefail
cd "$(dirname "$0")/.."

base=
own=
while [ $# -gt 0 ]; do
    case $1 in
    --base) base=${2:?--base wants a folder}; shift 2 ;;
    --own) own=${2:?--own wants seconds}; shift 2 ;;
    -*) echo "there is no option $1" >&2; exit 2 ;;
    *) break ;;
    esac
done
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
    cpu=$(awk "BEGIN { printf \"%.0f\", $user + $sys }")
    wall=$(awk "BEGIN { printf \"%.0f\", $wall }")
    crates=$(($(grep -c '^ *Compiling' "$work/said" || true) - 1))
}
# A target folder with what the base has for a release, and nothing else.
copy() { # folder
    mkdir "$1"
    cp -a "$base/release" "$1/release"
}
size() { stat -c %s "$1/release/$2"; }
# What a program has, and how much more than the default one (its symbols are gone: the profile `release` sees to that).
sizes() { # folder, program
    awk "BEGIN { printf \"%.1f MiB\", $(size "$1" "$2") / 1048576 }"
    [ "$1" = "$base" ] || awk "BEGIN { printf \" (%+.1f)\", ($(size "$1" "$2") - $(size "$base" "$2")) / 1048576 }"
}
row() { # what, cpu, wall, crates, folder
    printf '| %s | %s s | %s s | %s | %s | %s |\n' "$1" "$2" "$3" "$4" "$(sizes "$5" skcomm-tui)" "$(sizes "$5" skcomm)"
}

echo '| build | processor time | by the clock | crates | skcomm-tui | skcomm |'
echo '|---|---:|---:|---:|---:|---:|'
if [ -z "$base" ]; then
    base=$work/base
    build "$base"
    row 'default, clean' "$cpu" "$wall" "$crates" "$base"
fi
for program in skcomm-tui skcomm; do
    [ -x "$base/release/$program" ] || { echo "$base has no release build of $program" >&2; exit 1; }
done
if [ -z "$own" ]; then
    # Our own package alone: a copy of the finished folder in which only it is not fresh.
    copy "$work/default"
    find "$work/default/release/.fingerprint" -maxdepth 1 -name 'skcomm-tui-*' -exec rm -rf {} +
    build "$work/default"
    if [ "$crates" != 0 ]; then
        echo "$crates crates besides ours were compiled anew: the base is not by this compiler, or not with this Cargo.lock" >&2
        exit 1
    fi
    own=$cpu
    row 'our package alone, default features' "$cpu" "$wall" 0 "$work/default"
fi
for feature in "${features[@]}"; do
    copy "$work/$feature"
    build "$work/$feature" --features "$feature"
    row "with $feature: added, and the clock with our package" "$((cpu - own))" "$wall" "$crates" "$work/$feature"
    rm -rf "${work:?}/$feature"
done
