"""Workers as Slurm jobs of their own: pip install dask-jobqueue.

  python docs/cluster/jobqueue.py --config=digits --workdir=/shared/runs/digits

All arguments go to `python -m elth_jax.main`. Run it on a host like those of
the jobs, since this process's devices decide how runs round.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster


def main() -> int:
  cluster = SLURMCluster(
    cores=8,
    processes=1,
    memory='16GB',
    walltime='04:00:00',
    job_script_prologue=['export JAX_NUM_CPU_DEVICES=8'],
    worker_extra_args=[
      *('--nthreads', '1', '--lifetime', '230m'),
      *('--preload', 'elth_jax.runner.remote'),
    ],
  )
  with cluster:
    cluster.adapt(minimum_jobs=1, maximum_jobs=8)
    command = [sys.executable, '-m', 'elth_jax.main', *sys.argv[1:]]
    scheduler = f'--config.scheduler={cluster.scheduler_address}'
    return subprocess.call([*command, '--config.executor=dask', scheduler])


if __name__ == '__main__':
  sys.exit(main())
