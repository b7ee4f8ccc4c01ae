#!/usr/bin/env bash
# Run: scripts/bench/optimize_all.sh ZINC250K.csv.gz GAUSSIAN_MODEL FOLDER
#
# Every figure of docs/benchmarks-optimization.md. What is in FOLDER already is not done again, so a run that was
# stopped goes on. On one core the first command takes some hours; PMO's runs may be shared out by --tasks and --seeds.
# GAUSSIAN_MODEL: gradient ascent needs a continuous latent; configs/moses-30min.yaml trains one.
set -euo pipefail
zinc=$1 gaussian=$2 folder=$3
here=$(dirname "$0")
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
python "$here/optimize.py" zinc -o "$folder/pmo" --methods tanimoto-bo --seeds 0,1,2
python "$here/optimize.py" zinc -o "$folder/pmo" --methods screen,random --seeds 0
python "$here/constrained.py" zinc "$zinc" -o "$folder/qed.csv"
python "$here/constrained.py" zinc "$zinc" -o "$folder/logp_up.csv" --property logp --gain 2
python "$here/constrained.py" zinc "$zinc" -o "$folder/logp_down.csv" --property logp --gain -2
python "$here/gradient.py" "$gaussian" -o "$folder/gradient.csv"
python "$here/interpolation.py" zinc "$zinc" -o "$folder/interpolation.png"
