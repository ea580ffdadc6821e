#!/bin/sh
# Soak the whole server: days of random faults of every kind in a simulated
# laboratory, each against an independent model of what has to come of them.
# usage: scripts/soak.sh [days [first seed]]
# DAY_HOURS (24) and DAY_EXPERIMENTS (200) are the size of a day, SOAK_DIR is where
# the output of days that fail is kept.
set -eu
cd "$(dirname "$0")/.."

days=${1:-1000}
seed=${2:-1}
export DAY_HOURS="${DAY_HOURS:-24}" DAY_EXPERIMENTS="${DAY_EXPERIMENTS:-200}" DAY_COUNT=1
dir=${SOAK_DIR:-$(mktemp -d)}
mkdir -p "$dir"
go test -c -o "$dir/day.test" ./internal/app

done=0
failed=
began=$(date +%s)
while [ "$done" -lt "$days" ]; do
    if ! DAY_SEED=$seed "$dir/day.test" -test.run '^TestDay$' -test.v -test.timeout 1h >"$dir/$seed.log" 2>&1; then
        failed="$failed $seed"
        echo "seed $seed failed: $dir/$seed.log; again: DAY_SEED=$seed DAY_COUNT=1 DAY_HOURS=$DAY_HOURS DAY_EXPERIMENTS=$DAY_EXPERIMENTS go test -run '^TestDay\$' ./internal/app"
    else
        said=$(sed -n 's/^ *day_test.go:[0-9]*: //p' "$dir/$seed.log" | tail -1)
        rm "$dir/$seed.log"
        echo "$((done + 1))/$days after $(($(date +%s) - began)) s: seed $seed: $said"
    fi
    done=$((done + 1))
    seed=$((seed + 1))
done
rm -f "$dir/day.test"
if [ -n "$failed" ]; then
    echo "$days days, failed:$failed"
    exit 1
fi
echo "$days days, none failed"
