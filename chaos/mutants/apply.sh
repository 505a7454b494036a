#!/usr/bin/env bash
# Makes a copy of the tree that has every planted bug, each off until it is named:
#
#     chaos/mutants/apply.sh DIR                     DIR must be empty or not there; a folder `target` in it may be
#     cd DIR && cargo build ...                      one build has them all
#     ORCH_MUTANT=queue-lost-during-turn PROGRAM     a run with one of them
#
# What is copied is the work tree: what git tracks and what is new; without a repository everything but `target`. Times
# are kept. Fails with the name of the first patch that does not apply.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=${1:?usage: apply.sh DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
if [ -n "$(find "$dir" -mindepth 1 -maxdepth 1 ! -name target -print -quit)" ]; then
    echo "$dir is not empty" >&2
    exit 2
fi

files() {
    if [ -e "$root/.git" ]; then
        git -C "$root" ls-files -z --cached --others --exclude-standard
    else
        (cd "$root" && find . -name target -prune -o -type f -print0)
    fi
}
# A file that was deleted may be tracked still.
there() { while IFS= read -r -d '' file; do if [ -e "$root/$file" ]; then printf '%s\0' "$file"; fi; done; }
files | there | tar -C "$root" --null --no-recursion -T - -cf - | tar -C "$dir" -xf -

# It is about the tree without the bugs.
rm -f "$dir/tests/mutants.rs"

# Inside of another repository `git apply` would leave out, silently, what is not that repository's.
export GIT_CEILING_DIRECTORIES=$(dirname "$dir")
cd "$dir"
count=0
for patch in "$here"/*.patch; do
    if ! git apply "$patch"; then
        echo "$(basename "$patch") does not apply" >&2
        exit 1
    fi
    count=$((count + 1))
done
echo "$count patches applied in $dir"
