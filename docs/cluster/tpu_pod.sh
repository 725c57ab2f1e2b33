#!/usr/bin/env bash
# A plain process on each host of a TPU pod slice, each with its own four chips.
#   NAME=my-slice ZONE=us-east5-b docs/cluster/tpu_pod.sh
set -euo pipefail
# without these, JAX waits for the chips of all hosts
chips='TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1 TPU_PROCESS_BOUNDS=1,1,1'
chips="$chips TPU_VISIBLE_CHIPS=0,1,2,3"
exec gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all \
  --command="cd elth_jax && env $chips python -m elth_jax.main \
    --config=${CONFIG:-digits} --workdir=${WORKDIR:-/mnt/shared/runs/digits} \
    --config.executor=shared"
