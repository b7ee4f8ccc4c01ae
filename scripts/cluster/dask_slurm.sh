#!/bin/bash
# Starts a Dask cluster on the machines of a SLURM job and does one command on it:
#   sbatch --nodes 4 --ntasks-per-node 32 scripts/cluster/dask_slurm.sh \
#       molvae encode /shared/enamine -m qsar -o /shared/features
# One worker of one thread for each task. After a time limit or a failure, send the same job again: finished parts are
# not done again.
#SBATCH --job-name=molvae-dask
#SBATCH --time=08:00:00
set -eu
head=$(hostname)
export OMP_NUM_THREADS=1
dask scheduler --host "$head" --port 8786 &
trap 'kill %1 %2 2>/dev/null' EXIT
srun dask worker "tcp://$head:8786" --nthreads 1 --nworkers 1 --no-dashboard &
sleep 30
"$@" --cluster "tcp://$head:8786"
