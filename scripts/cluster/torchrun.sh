#!/bin/bash
# Trains one model on several machines with torchrun. Run the same line on each machine:
#   HEAD=node1 NODES=2 scripts/cluster/torchrun.sh -r moses-gpu --data /shared/moses -o /shared/runs/moses
# HEAD is one of the machines, NODES their number, DEVICES the processes on each (its GPUs by default).
# Data and output have to be on a file system that all machines see.
set -eu
DEVICES=${DEVICES:-$(nvidia-smi --list-gpus 2>/dev/null | wc -l)}
[ "$DEVICES" -gt 0 ] || { echo "no GPU found; set DEVICES to the number of processes on each machine" >&2; exit 2; }
exec torchrun --nnodes "${NODES:-1}" --nproc_per_node "$DEVICES" \
    --rdzv_backend c10d --rdzv_endpoint "${HEAD:-localhost}:${PORT:-29400}" --rdzv_id "${RUN:-molvae}" \
    "$(command -v molvae)" train "$@"
