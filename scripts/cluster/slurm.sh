#!/bin/bash
# Trains one model on several machines of a SLURM cluster, and goes on after the time limit of a job:
#   sbatch --nodes 2 --ntasks-per-node 4 --gpus-per-node 4 scripts/cluster/slurm.sh \
#       -r moses-gpu --data /shared/moses -o /shared/runs/moses
# One task for each GPU. SLURM sends SIGTERM to all tasks 3 minutes before the limit; the state is then saved, and the
# job is put in the queue again and goes on from there. Give --max-time in the recipe or here for the whole training.
#SBATCH --job-name=molvae
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@180
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
for ((i = 1; i <= $#; i++)); do
    if [ "${!i}" = -o ] || [ "${!i}" = --output ]; then next=$((i + 1)); out=${!next}; fi
done
[ -n "${out:-}" ] || { echo "give -o DIR" >&2; exit 2; }
if [ -f "$out/experiment.yaml" ]; then
    srun --kill-on-bad-exit=0 molvae train --resume -o "$out"
else
    srun --kill-on-bad-exit=0 molvae train "$@"
fi
code=$?
[ "$code" -eq 143 ] && scontrol requeue "$SLURM_JOB_ID" # ended by SIGTERM, with the state saved
exit "$code"
