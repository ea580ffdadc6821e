#!/usr/bin/env bash
# Fuzzes whatever the server reads from outside or from its own store: every Fuzz
# target of the repository, one after the other, as many at once as there are cores.
# usage: scripts/fuzz.sh [time for each target (10m) [pattern of targets (.)]]
# A finding is kept by go test below testdata/fuzz and so becomes a test; of what is
# new without being a finding the shortest inputs are kept there too, up to FUZZ_KEEP
# (30) a target. FUZZ_JOBS is how many targets run at once, FUZZ_DIR where output goes.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 0 ;; esac

each=${1:-10m} pattern=${2:-.}
keep=${FUZZ_KEEP:-30} jobs=${FUZZ_JOBS:-$(nproc)}
dir=${FUZZ_DIR:-$(mktemp -d)}
mkdir -p "$dir"
cache=$(go env GOCACHE)/fuzz

one() { # package's folder, target
	local folder=$1 target=$2 log result kept=0 path name
	log=$dir/${folder//\//-}-$target.log
	if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" -fuzzminimizetime 20x -parallel 1 "./$folder" >"$log" 2>&1; then
		echo "FOUND $folder $target: $log"
		return 1
	fi
	path=$folder/testdata/fuzz/$target
	mkdir -p "$path"
	while read -r _ name; do
		[ "$(find "$path" -type f | wc -l)" -lt "$keep" ] || break
		[ -e "$path/${name##*/}" ] || { cp "$name" "$path/" && kept=$((kept + 1)); }
	done < <(find "$cache/labstatus/$folder/$target" -type f -size -5 -printf '%s %p\n' 2>/dev/null | sort -n)
	rmdir --ignore-fail-on-non-empty "$path"
	result=$(grep '^fuzz: elapsed' "$log" | tail -1)
	echo "clean $folder $target: ${result#fuzz: }, $kept inputs kept"
}
export -f one
export dir each keep cache

targets=$(git grep -E '^func Fuzz[A-Za-z]*\(f \*testing\.F\)' -- '*_test.go' |
	sed -E 's|^(.*)/[^/]*_test\.go:func (Fuzz[A-Za-z]*).*|\1 \2|' | grep -E -- "$pattern")
echo "$(wc -l <<<"$targets") targets, $each each, $jobs at once; output in $dir"
xargs -P "$jobs" -L 1 bash -c 'one "$@"' _ <<<"$targets" || { echo "there are findings" >&2; exit 1; }
