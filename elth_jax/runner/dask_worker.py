"""A Dask worker on the driver's machine; it ends with the driver.

  python -m elth_jax.runner.dask_worker SCHEDULER NAME

The driver holds the other end of stdin.
"""

import asyncio
import importlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

from elth_jax.process import memory


def main(arguments: Sequence[str]) -> None:
  address, name = arguments
  threading.Thread(target=_end_with_driver, daemon=True).start()
  memory.keep_freed_memory()
  # before it has to answer: importing takes seconds
  importlib.import_module('elth_jax.runner.remote')
  with tempfile.TemporaryDirectory() as folder:
    asyncio.run(_work(address, name, folder))


def _end_with_driver() -> None:
  sys.stdin.buffer.read()  # ends when the driver does, however it ends
  os._exit(0)


async def _work(address: str, name: str, folder: str) -> None:
  import distributed

  logging.getLogger('distributed').setLevel(logging.WARNING)
  worker: Any = distributed.Worker(
    address,
    name=name,
    nthreads=1,
    memory_limit=0,
    dashboard=False,
    local_directory=folder,
  )
  async with worker:
    await worker.finished()


if __name__ == '__main__':
  main(sys.argv[1:])
