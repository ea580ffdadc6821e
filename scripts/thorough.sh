#!/usr/bin/env bash
# Runs at full size what the tests run small on every day: more kills, reconnections,
# random stories and days, more experiments. It takes hours, so it goes on after a
# part that fails, and fails at the end if any did.
# usage: scripts/thorough.sh [--help | part...]
# Without arguments all parts run, one after the other. A volume that is set in the
# environment is heeded: CRASH_TEST_KILLS=200 scripts/thorough.sh crash
# Not among them: scripts/fuzz.sh and scripts/soak.sh, which keep what they find, and
# scripts/netns-test.sh and scripts/disk-test.sh, which need namespaces of their own.
#   DAY_COUNT        days of a simulated laboratory (20; scripts/soak.sh has a thousand)
#   RAPID_CHECKS     what each property is tried with (1000)
#   THOROUGH_DIR     where the output of parts that fail is kept (a new directory)
set -euo pipefail
cd "$(dirname "$0")/.."

# name, package, tests, variables
parts() {
	cat <<-'PARTS'
		crash ./cmd/status TestKilledAtAnyPoint CRASH_TEST_KILLS=1000
		store-crash ./internal/store TestKilledAtAnyMoment STORE_TEST_CRASH_ROUNDS=300
		store-torn ./internal/store TestLogTornAnywhere STORE_TEST_TORN_LOGS=200
		store-document ./internal/store TestLargestDocument STORE_TEST_DOCUMENT_MIB=32
		store-random ./internal/store TestBothStoresAgree STORE_TEST_RANDOM_ROUNDS=1000
		store-readers ./internal/store TestReadersBesideAWriter STORE_TEST_READ_COMMITS=1000
		store-late ./internal/store TestLateIsWrittenToMeanwhile STORE_TEST_LATE_WRITES=200
		reconnections ./internal/stats TestSubscriberLeaksNothing STATS_TEST_RECONNECTIONS=10000
		broken ./internal/stats TestDecodeBroken STATS_TEST_EVERY=1
		frame ./internal/stats TestLargestFrame STATS_TEST_RECORDS=200000
		sizes ./internal/stats TestSubscriber(LargestMessage|TooManyEntries) STATS_TEST_MESSAGE_MIB=64 STATS_TEST_ENTRIES=1000000
		suspend ./cmd/status TestSuspended SUSPEND_TEST_PAUSE=10m
		book ./internal/book TestWhateverHappens BOOK_TEST_SEEDS=200
		mail ./internal/app TestMailStageByAction MAIL_TEST_EVERY=1
		pauses ./internal/app TestPausesWithinTheWindow PAUSES_LENGTH=1h
		down ./internal/app TestManyDownAtOnce DOWN_EXPERIMENTS=500
		restart ./internal/app TestRestartOfALargeLab RESTART_EXPERIMENTS=500
		leaks ./internal/app TestNothingLeaks LEAK_TEST_ROUNDS=10000
		browser ./internal/browsertest TestManyExperiments BROWSER_TEST_EXPERIMENTS=10000
		axe ./internal/browsertest TestPagesFitAndCanBeRead BROWSER_TEST_EVERY=1
		days ./internal/app TestDay DAY_LENGTH=24h DAY_EXPERIMENTS=200 DAY_COUNT=20
	PARTS
	# Whatever rapid draws: the packages whose properties are tried less often than that.
	local package name
	for package in health notify observer; do
		echo "properties-$package ./internal/$package . RAPID_CHECKS=1000"
	done
}

part() { # package, tests, variables: runs them, with the environment's own values first
	local package=$1 tests=$2 setting variable
	shift 2
	for setting in "$@"; do
		variable=${setting%%=*}
		[ -n "${!variable:-}" ] || export "${setting?}"
	done
	case $variable in
	RAPID_CHECKS) go test -count=1 -timeout 24h -v "$package" "-rapid.checks=$RAPID_CHECKS" ;;
	*) go test -count=1 -timeout 24h -v -run "^$tests\$" "$package" ;;
	esac
}

# A test that skips itself, and one that isn't there any more, has shown nothing.
nothing='^(--- SKIP|testing: warning: no tests to run)'

if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
	printf '\nparts, each with its package, test and volume:\n'
	parts | sed 's/^/  /'
	exit
fi

all=$(parts)
for name in "$@"; do
	if ! grep -q "^$name " <<<"$all"; then
		echo "there is no part $name: --help lists them" >&2
		exit 2
	fi
done
dir=${THOROUGH_DIR:-$(mktemp -d)}
mkdir -p "$dir"
failed=
while read -r -u 3 name package tests volumes; do
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	began=$SECONDS result=ok
	# shellcheck disable=SC2086 # several volumes are several words
	(part "$package" "$tests" $volumes) >"$dir/$name.log" 2>&1 </dev/null || result=FAILED
	# Properties' packages have tests that skip for other reasons; they aren't judged by it.
	if [ $result = ok ] && [ "$tests" != . ] && grep -qE "$nothing" "$dir/$name.log"; then
		result="NOTHING WAS TESTED"
	fi
	echo "$name: $result in $((SECONDS - began)) s"
	case $result in
	ok) rm "$dir/$name.log" ;;
	*)
		failed="$failed $name"
		tail -n 40 "$dir/$name.log" | sed 's/^/  /'
		echo "  all of it is in $dir/$name.log"
		;;
	esac
done 3<<<"$all"
if [ -n "$failed" ]; then
	echo "not well:$failed" >&2
	exit 1
fi
