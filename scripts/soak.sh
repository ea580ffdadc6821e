#!/bin/sh
# Soak the whole server: days of random faults of every kind in a simulated
# laboratory, each against an independent model of what has to come of them.
# usage: scripts/soak.sh [days [first seed]]
# As many days run at once as there are cores (SOAK_JOBS). DAY_LENGTH (24h) and
# DAY_EXPERIMENTS (200) are the size of a day. SOAK_DIR is where results are kept, with
# the output of days that fail: days that have their result there are not run again, so
# that a soak that was stopped goes on where it was.
set -eu
cd "$(dirname "$0")/.."

days=${1:-1000}
first=${2:-1}
jobs=${SOAK_JOBS:-$(nproc)}
export DAY_LENGTH="${DAY_LENGTH:-24h}" DAY_EXPERIMENTS="${DAY_EXPERIMENTS:-200}" DAY_COUNT=1
# A day is one bubble after another, so a core is enough for it. Of memory it takes
# little, so that garbage may wait.
export GOMAXPROCS=1 GOGC="${GOGC:-800}"
SOAK_DIR=${SOAK_DIR:-${TMPDIR:-/tmp}/labstatus-soak}
DAY_TEST=$SOAK_DIR/day.test
BEGAN=$(date +%s)
export SOAK_DIR DAY_TEST BEGAN DAYS="$days"
mkdir -p "$SOAK_DIR"
# Results are of this program, and of days of this size.
go test -c -o "$DAY_TEST.new" ./internal/app
what="$(sha256sum <"$DAY_TEST.new") $DAY_LENGTH $DAY_EXPERIMENTS"
if [ "$(cat "$SOAK_DIR/what" 2>/dev/null)" != "$what" ]; then
    rm -f "$SOAK_DIR"/*.ok "$SOAK_DIR"/*.log
    echo "$what" >"$SOAK_DIR/what"
fi
mv "$DAY_TEST.new" "$DAY_TEST"

seq "$first" "$((first + days - 1))" | xargs -P "$jobs" -n 1 sh -c '
    seed=$1
    [ ! -e "$SOAK_DIR/$seed.ok" ] || exit 0
    if DAY_SEED=$seed "$DAY_TEST" -test.run "^TestDay\$" -test.v -test.timeout 1h >"$SOAK_DIR/$seed.log" 2>&1 &&
        said=$(sed -n "s/^ *day_test.go:[0-9]*: //p" "$SOAK_DIR/$seed.log" | tail -1) && [ -n "$said" ]; then
        echo "$said" >"$SOAK_DIR/$seed.new"
        mv "$SOAK_DIR/$seed.new" "$SOAK_DIR/$seed.ok"
        rm "$SOAK_DIR/$seed.log"
    else
        said="FAILED, see $SOAK_DIR/$seed.log; again: DAY_SEED=$seed DAY_COUNT=1 DAY_LENGTH=$DAY_LENGTH DAY_EXPERIMENTS=$DAY_EXPERIMENTS go test -run ^TestDay\$ ./internal/app"
    fi
    echo "$(find "$SOAK_DIR" -name "*.ok" | wc -l)/$DAYS after $(($(date +%s) - BEGAN)) s: seed $seed: $said"
' soak

# The summary is of the days that were asked for.
seq "$first" "$((first + days - 1))" | (
    failed=
    none=0
    while read -r seed; do
        if [ -e "$SOAK_DIR/$seed.ok" ]; then
            cat "$SOAK_DIR/$seed.ok"
        else
            failed="$failed $seed"
            none=$((none + 1))
        fi
    done >"$SOAK_DIR/results"
    awk -v days="$days" '
        { sub(/^[^:]*: /, ""); n = split($0, part, ", "); for (i = 1; i <= n; i++) { split(part[i], w, " "); sum[w[2]] += w[1] } }
        END { printf "%d days: %d orders, %d quiet points, %d events, %d mails, %d tunnels over restarts, %d states and %d bookings compared, %d writes judged\n", days, sum["orders"], sum["quiet"], sum["events"], sum["mails"], sum["tunnels"], sum["states"], sum["bookings"], sum["writes"] }
    ' "$SOAK_DIR/results"
    if [ "$none" -gt 0 ]; then
        echo "$none failed:$failed"
        exit 1
    fi
    echo "none failed"
)
