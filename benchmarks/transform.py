"""Times a transformation of a whole ImageNet ticket, beside copying it.

  python benchmarks/transform.py [--source=imagenet_resnet34] \
    [--target=imagenet_resnet18]

Prints milliseconds, the median of interleaved rounds with the lowest and
highest, and the memory that a transformation allocates. The ratio is to
copying the target's arrays once.
"""

import argparse
import statistics
import time
import tracemalloc

import jax
import numpy as np

from elth_jax.families import architecture
from elth_jax.methods.lottery import dense_ticket, next_level
from elth_jax.tickets import transform


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--source', default='imagenet_resnet34')
  parser.add_argument('--target', default='imagenet_resnet18')
  parser.add_argument('--rounds', type=int, default=21)
  arguments = parser.parse_args()
  net = architecture(arguments.source)
  dense = dense_ticket(net, **net.init(0))
  ticket = next_level(dense, dense, dense.params, 0.7)
  new = ticket.transform(arguments.target)
  plan = transform.plan_for(ticket, arguments.target)
  cases = {
    "copying the target's arrays": lambda: jax.tree.map(
      np.copy, (new.params, new.masks)
    ),
    'Plan.apply to the parameters': lambda: plan.apply(ticket.params),
    'Ticket.transform, checked': lambda: ticket.transform(arguments.target),
  }
  times: dict[str, list[float]] = {name: [] for name in cases}
  for _ in range(arguments.rounds):
    for name, run in cases.items():
      began = time.perf_counter()
      run()
      times[name].append(1e3 * (time.perf_counter() - began))
  first = statistics.median(next(iter(times.values())))
  print(f'{arguments.source} to {arguments.target}, jax {jax.__version__}')
  for name, found in times.items():
    middle = statistics.median(found)
    print(
      f'{name:<30} {middle:8.2f} ms ({min(found):.2f} to {max(found):.2f})  '
      f'{middle / first:6.3f}'
    )
  tracemalloc.start()
  ticket.transform(arguments.target)
  _, peak = tracemalloc.get_traced_memory()
  size = sum(leaf.nbytes for leaf in jax.tree.leaves((new.params, new.masks)))
  print(f'allocated {peak / 1e6:.2f} MB for a ticket of {size / 1e6:.1f} MB')


if __name__ == '__main__':
  main()
