#!/usr/bin/env bash
# One job: a scheduler, a worker on each of four hosts, and the driver.
#   sbatch docs/cluster/slurm_dask.sh
#SBATCH --job-name=elth_jax
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@180
set -euo pipefail
export JAX_NUM_CPU_DEVICES=8
workdir=${WORKDIR:-$HOME/runs/digits}
mkdir -p "$workdir"
file=$workdir/scheduler-$SLURM_JOB_ID.json
dask scheduler --scheduler-file "$file" --no-dashboard &
srun dask worker --scheduler-file "$file" --nthreads 1 --no-nanny \
  --memory-limit 0 --no-dashboard \
  --preload elth_jax.runner.remote &
python -m elth_jax.main --config="${CONFIG:-digits}" --workdir="$workdir" \
  --config.executor=dask --config.scheduler="$file" &
driver=$!
trap 'kill -TERM $driver' TERM
code=0
wait $driver || code=$?
# a signal ends the first wait; the driver saves checkpoints meanwhile
while kill -0 $driver 2>/dev/null; do
  wait $driver || code=$?
done
rm -f "$file"
exit $code
