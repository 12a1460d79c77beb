#!/usr/bin/env bash
# The whole tool on simulated patients, from nothing to a report: bash launch/demo.sh [output folder]
# Run again, it goes on where it stopped and repeats nothing that is done.
set -euo pipefail
out=$(realpath -m "${1:-demo_output}")
source "$(dirname "$0")/install.sh" ""
step() { .venv/bin/python "launch/$1.py" "${@:2}"; }
echo "1/6 phantom cohort"
step prepare --config=configs/phantom.py --out="$out/cohort"
echo "2/6 training, five folds"
step train --config=configs/phantom.py --cohort="$out/cohort" --workdir="$out/run"
echo "3/6 evaluation on held-out patients"
[ -e "$out/run/evaluation.json" ] || step evaluate --workdir="$out/run"
echo "4/6 radiogenomic map"
[ -e "$out/run/hits.csv" ] || step map --workdir="$out/run"
echo "5/6 classical baseline"
[ -e "$out/baseline/hits.csv" ] || step baseline --cohort="$out/cohort" --out="$out/baseline" --nopredictors  # evaluation has them
echo "6/6 report"
step report --workdir="$out/run" --baseline="$out/baseline"
