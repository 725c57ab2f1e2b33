#!/usr/bin/env bash
# A plain process on each of some machines that share a folder.
#   docs/cluster/ssh.sh WORKDIR HOST...
# CONFIG, DEVICES, FLAGS and PYTHON may be set; PYTHON is that of each machine.
set -euo pipefail
workdir=$1
shift
pids=()
for host in "$@"; do
  # -tt: a lost connection ends the process there
  ssh -tt "$host" "JAX_NUM_CPU_DEVICES=${DEVICES:-4} ${PYTHON:-python} \
    -m elth_jax.main --config=${CONFIG:-digits} --workdir=$workdir \
    --config.executor=shared ${FLAGS:-}" &
  pids+=($!)
done
trap 'kill "${pids[@]}" 2>/dev/null' INT TERM
code=0
for pid in "${pids[@]}"; do
  wait "$pid" || code=$?
done
exit $code
