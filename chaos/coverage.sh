#!/usr/bin/env bash
# Line coverage of runs of an example, file by file:
#
#     chaos/coverage.sh EXAMPLE PREFIX... -- COMMAND...
#     chaos/coverage.sh chaos orch-controllers/src orch-sched/src/run orch-runtime/src/agent -- {} --seeds 200
#
# Builds the example with coverage of the workspace's own crates in target/coverage, runs COMMAND with `{}` standing for
# the program (as often and in as many processes as it likes: profiles are merged), prints the line coverage of every file
# whose path begins with one of the prefixes and of each prefix, and fails when the command did. Which lines were not
# reached stands in target/coverage/missed.txt, everything in target/coverage/lcov.info.
#
# What came out, and why some lines are not reached: chaos/coverage.md.
#
# Needs llvm-profdata and llvm-cov of rustc's LLVM: from rustup's llvm-tools, or Debian's package llvm-MAJOR, which is
# installed when the user may. PROFILE=release builds with optimisation. Code that no run could reach because no object of
# it was linked would be missing from the count: dead code is linked, and files without any record are named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
example=${1:?usage: coverage.sh EXAMPLE PREFIX... -- COMMAND...}
shift
prefixes=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do prefixes+=("$1"); shift; done
[ ${#prefixes[@]} -gt 0 ] && [ $# -gt 1 ] || { echo "usage: coverage.sh EXAMPLE PREFIX... -- COMMAND..." >&2; exit 2; }
shift

major=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
tool() { if [ -x "$tools/$1" ]; then echo "$tools/$1"; else command -v "$1-$major" || true; fi; }
if [ -z "$(tool llvm-cov)" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing llvm-$major" >&2
    { apt-get update && apt-get install -y --no-install-recommends "llvm-$major"; } >/dev/null
fi
cov=$(tool llvm-cov) profdata=$(tool llvm-profdata)
[ -n "$cov" ] && [ -n "$profdata" ] || { echo "llvm-$major is not here: apt-get install llvm-$major" >&2; exit 2; }

target=$PWD/target/coverage
mkdir -p "$target/profiles"
# Only the workspace's crates are counted: dependencies stay fast. One object a crate, and dead code in it.
cat >"$target/rustc" <<'WRAPPER'
#!/bin/sh
exec "$@" -C instrument-coverage -C codegen-units=1 -C link-dead-code
WRAPPER
chmod +x "$target/rustc"
export LLVM_PROFILE_FILE="$target/profiles/%8m.profraw"
RUSTC_WORKSPACE_WRAPPER="$target/rustc" CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$target" \
    ${CARGO:-cargo} build --locked --profile "${PROFILE:-dev}" --example "$example" >&2
case ${PROFILE:-dev} in dev) folder=debug ;; *) folder=$PROFILE ;; esac
program=$target/$folder/examples/$example

command=()
for word in "$@"; do command+=("${word//\{\}/$program}"); done
rm -f "$target"/profiles/*
status=0
"${command[@]}" || status=$?
"$profdata" merge -sparse "$target"/profiles/*.profraw -o "$target/merged.profdata"
"$cov" export -format=lcov -instr-profile="$target/merged.profdata" "$program" >"$target/lcov.info"

python3 - "$target" "${prefixes[@]}" <<'REPORT'
import os, sys
target, prefixes = sys.argv[1], sys.argv[2:]
root, files, lines = os.getcwd() + "/", {}, None
for record in open(target + "/lcov.info"):
    word, _, rest = record.strip().partition(":")
    if word == "SF":
        path = rest[len(root):] if rest.startswith(root) else rest
        lines = files.setdefault(path, {})
    elif word == "DA":
        line, count = rest.split(",")[:2]
        lines[int(line)] = max(lines.get(int(line), 0), int(count))

def row(name, counts):
    hit = sum(1 for count in counts if count)
    print(f"{100 * hit / max(len(counts), 1):6.2f} % {hit:6} of {len(counts):6}  {name}")

def ranges(numbers):
    out = []
    for number in numbers:
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in out)

missed, every = open(target + "/missed.txt", "w"), []
for prefix in prefixes:
    whole = []
    for path in sorted(path for path in files if path.startswith(prefix)):
        counts = [count for _, count in sorted(files[path].items())]
        row(path, counts)
        whole += counts
        gone = sorted(line for line, count in files[path].items() if not count)
        if gone:
            print(f"{path}: {ranges(gone)}", file=missed)
    row(f"{prefix}*", whole)
    every += whole
    for folder, _, names in os.walk(prefix.rpartition("/")[0] or "."):
        for name in sorted(names):
            path = os.path.normpath(os.path.join(folder, name))
            tests = name == "tests.rs" or "/tests/" in path
            if path.startswith(prefix) and name.endswith(".rs") and path not in files and not tests:
                print(f"     no record                  {path}")
row("all", every)
if not every:
    sys.exit("nothing begins with " + " or ".join(prefixes))
REPORT
exit "$status"
