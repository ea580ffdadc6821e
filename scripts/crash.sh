#!/usr/bin/env bash
# Kills real servers at random moments of scripted stories, several stories beside each
# other, and says what that came to: nothing lost, nothing told twice, bookings right.
# Without the race detector, which would only make the moments coarser.
# usage: scripts/crash.sh [kills [first seed]]
set -euo pipefail
cd "$(dirname "$0")/.."

export CRASH_TEST_KILLS=${1:-200}
if [ $# -gt 1 ]; then export CRASH_TEST_SEED=$2; fi
for number in "$CRASH_TEST_KILLS" "${CRASH_TEST_SEED:-1}"; do
	if ! [[ $number =~ ^[1-9][0-9]*$ ]]; then
		echo "crash.sh: \"$number\" is no number from 1 on; usage: scripts/crash.sh [kills [first seed]]" >&2
		exit 2
	fi
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go test -c -o "$dir/status.test" ./cmd/status
if ! "$dir/status.test" -test.run '^TestKilledAtAnyPoint$' -test.v -test.parallel 4 -test.timeout 30m >"$dir/log" 2>&1; then
	cat "$dir/log"
	exit 1
fi
# A test that isn't there any more, or doesn't say what it did, has shown nothing.
said=$(sed -n 's/^ *crash_test.go:[0-9]*: \([1-9][0-9]* kills (.*\)/\1/p' "$dir/log")
if [ -z "$said" ]; then
	cat "$dir/log"
	echo "crash.sh: TestKilledAtAnyPoint doesn't say that it has killed anything" >&2
	exit 1
fi
echo "$said"
