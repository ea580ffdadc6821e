#!/usr/bin/env bash
# Kills real servers at random moments of scripted stories, several stories beside each
# other, and says what that came to: nothing lost, nothing told twice, bookings right.
# Without the race detector, which would only make the moments coarser.
# usage: scripts/crash.sh [kills [first seed]]
set -euo pipefail
cd "$(dirname "$0")/.."

export CRASH_TEST_KILLS=${1:-200}
if [ $# -gt 1 ]; then export CRASH_TEST_SEED=$2; fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go test -c -o "$dir/status.test" ./cmd/status
if ! "$dir/status.test" -test.run '^TestKilledAtAnyPoint$' -test.v -test.parallel 4 -test.timeout 30m >"$dir/log" 2>&1; then
	cat "$dir/log"
	exit 1
fi
sed -n 's/^ *crash_test.go:[0-9]*: \(.* kills (.*\)/\1/p' "$dir/log"
