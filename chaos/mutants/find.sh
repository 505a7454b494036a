#!/usr/bin/env bash
# Looks for every planted bug, or the first COUNT of them in a fixed mixed order, each within SEEDS seeds:
#
#     chaos/mutants/find.sh [COUNT [SEEDS]]          all of them and 1,000 seeds by default
#
# One build of a patched copy (in target/mutants) has them all. Prints a line for each: the name, the first seed that found
# it, and the promise that was broken; writes them to target/mutants/found.md. Fails when one was not found.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
count=${1:-1000} seeds=${2:-1000}
copy=$root/target/mutants/tree
rm -rf "$copy"
mkdir -p "$copy"
"$here/apply.sh" "$copy"
(cd "$copy" && CARGO_TARGET_DIR="$root/target/mutants/target" ${CARGO:-cargo} build --locked --release --example chaos)
program=$root/target/mutants/target/release/examples/chaos

"$program" --seeds 0..10 >/dev/null || { echo "without a bug a promise is broken"; exit 1; }
# Mixed by the hash of the name, so that the first few are of many kinds.
names=$(for patch in "$here"/*.patch; do name=$(basename "$patch" .patch); [ "$name" = 0-switch ] || echo "$(md5sum <<<"$name" | cut -c1-8) $name"; done | sort | head -n "$count" | cut -d' ' -f2)
echo "| planted bug | first seed | broken promise |" >"$root/target/mutants/found.md"
echo "|---|---|---|" >>"$root/target/mutants/found.md"
missed=0
for name in $names; do
    report=$(ORCH_MUTANT=$name timeout 900 "$program" --seeds "0..$seeds" --first --json 2>/dev/null) || true
    line=$(python3 -c '
import json, sys
report = json.loads(sys.argv[1] or "{}")
broken = sorted(report.get("broken", []), key=lambda one: one["seed"])
print("%s | %s" % (broken[0]["seed"], broken[0]["invariant"]) if broken else "not found | ")' "$report")
    echo "| $name | $line |" | tee -a "$root/target/mutants/found.md"
    case $line in "not found"*) missed=$((missed + 1)) ;; esac
done
[ "$missed" = 0 ] || { echo "$missed planted bugs were not found"; exit 1; }
