#!/usr/bin/env bash
# Looks for planted bugs by chaos, each within SEEDS seeds:
#
#     chaos/mutants/find.sh SEEDS [NAME...]          all but those of open.txt when none is named
#
# One build of a patched copy (in target/mutants) has them all. Bugs of the remote Api are looked for over REST. Prints a line
# for each: the name, the first seed that found it, and the promise that was broken; writes them to
# target/mutants/found.md. Fails when one was not found, or when a promise is broken without a bug.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
seeds=${1:?usage: find.sh SEEDS [NAME...]}
shift
names=("$@")
if [ ${#names[@]} = 0 ]; then
    for patch in "$here"/*.patch; do
        name=$(basename "$patch" .patch)
        [ "$name" = 0-switch ] || grep -q "^$name " "$here/open.txt" || names+=("$name")
    done
fi
for name in "${names[@]}"; do
    [ -e "$here/$name.patch" ] || { echo "there is no $name.patch in chaos/mutants" >&2; exit 2; }
done
copy=$root/target/mutants/tree
rm -rf "$copy"
mkdir -p "$copy"
"$here/apply.sh" "$copy"
(cd "$copy" && CARGO_TARGET_DIR="$root/target/mutants/target" ${CARGO:-cargo} build --locked --release --example chaos)
program=$root/target/mutants/target/release/examples/chaos

"$program" --seeds 0..10 >/dev/null || { echo "without a bug a promise is broken"; exit 1; }
found=$root/target/mutants/found.md
printf '| planted bug | first seed | broken promise |\n|---|---|---|\n' >"$found"
missed=0
for name in "${names[@]}"; do
    case $name in remote-*) over=(--rest) ;; *) over=() ;; esac
    report=$(ORCH_MUTANT=$name timeout 1800 "$program" --seeds "0..$seeds" "${over[@]}" --first --json 2>/dev/null) || true
    line=$(python3 -c '
import json, sys
report = json.loads(sys.argv[1] or "{}")
broken = sorted(report.get("broken", []), key=lambda one: one["seed"])
print("%s | %s" % (broken[0]["seed"], broken[0]["invariant"]) if broken else "not found | ")' "$report")
    echo "| $name | $line |" | tee -a "$found"
    case $line in "not found"*) missed=$((missed + 1)) ;; esac
done
[ "$missed" = 0 ] || { echo "$missed planted bugs were not found"; exit 1; }
