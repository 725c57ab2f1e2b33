#!/usr/bin/env bash
# Eight plain processes on one study; submit it again to continue.
#   sbatch docs/cluster/slurm_array.sh
#SBATCH --job-name=elth_jax
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
set -euo pipefail
# the same number of devices everywhere, so that all runs round alike
export JAX_NUM_CPU_DEVICES=4
exec srun python -m elth_jax.main --config="${CONFIG:-digits}" \
  --workdir="${WORKDIR:-$HOME/runs/digits}" --config.executor=shared
