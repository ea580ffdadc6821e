#!/usr/bin/env bash
# Checks what is shipped for Prometheus and Grafana: the rules and their tests, the
# example of a scrape, and that Prometheus understands each query of the dashboard.
# That the names in them exist is a test of internal/telemetry's. Needs promtool, which
# scripts/ci-setup.sh installs.
set -euo pipefail
cd "$(dirname "$0")/../deploy/prometheus"

command -v promtool >/dev/null 2>&1 || { echo "$0: promtool is missing: scripts/ci-setup.sh installs it, as does apt-get install prometheus" >&2; exit 1; }

promtool check config scrape.yml # and the rules that it names
promtool test rules status.rules.test.yml

# The dashboard's queries, as rules of a file that is thrown away. Its JSON has one to a
# line; the variables within are Grafana's.
queries=$(mktemp)
trap 'rm -f "$queries"' EXIT
sed -n 's/^ *"expr": "\(.*\)",\{0,1\}$/\1/p' ../grafana/status.json |
	sed 's/\\"/"/g; s/\$__rate_interval/5m/g; s/\$__range/1h/g' | sort -u |
	awk 'BEGIN { print "groups: [{name: dashboard, rules: [" }
		{ gsub("'"'"'", "&&"); printf "{record: \"query:%d\", expr: '"'"'%s'"'"'},\n", NR, $0 }
		END { print "]}]"; exit NR == 0 }' >"$queries" || { echo "$0: the dashboard has no query" >&2; exit 1; }
promtool check rules "$queries" | sed "s|$queries|the dashboard's queries|"
