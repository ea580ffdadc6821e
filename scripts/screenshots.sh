#!/usr/bin/env bash
# Makes the pictures in docs/pictures anew, of the demo with a few faults, in the
# browser that the page's tests use. Look at them before committing: that is what
# they are for.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/browser-setup.sh

work=$(mktemp -d)
demo=
trap '[ -z "$demo" ] || kill "$demo" 2>/dev/null || true; rm -rf "$work"' EXIT
cat >"$work/faults.txt" <<'SCRIPT'
20s    trus01 video vanishes
50s    trus01 video returns
1m     pend00 video vanishes
1m20s  spin02 data silent
1m30s  trus00 jump drops
1m40s  somebody closes r-pvna01 because new springs are being fitted
2m30s  relay noise
SCRIPT

go build -o "$work/status" ./cmd/status
"$work/status" demo --speed 5 --script "$work/faults.txt" >"$work/demo.log" &
demo=$!
echo "the demo runs until its faults have been told: half a minute"
page=
for _ in $(seq 1 120); do
	page=$(sed -n 's/^ *page *\(http[^ ]*\)$/\1/p' "$work/demo.log")
	grep -q 'relay noise\|script has ended' "$work/demo.log" && break
	sleep 0.5
done
[ -n "$page" ] || { cat "$work/demo.log" >&2; exit 1; }
mkdir -p docs/pictures
go test -count=1 -run '^TestPictures$' ./internal/browsertest -shots "$PWD/docs/pictures" -shots-of "$page"
ls -l docs/pictures
