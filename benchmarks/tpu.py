"""What a TPU does with one and with several tickets.

  python benchmarks/tpu.py [--minutes=8] [--bandwidth=819]

As `benchmarks/gpu.py`; 819 GB/s is a v5e's. Programs are compiled at the
compiler's lowest effort for running time, since at its default one takes many
minutes on few cores.
"""

import jax
from accelerator import Line, main

LINES = [
  Line(1, dtype='bfloat16'),
  Line(1, dtype='bfloat16', devices=0),  # a ticket on each core
  Line(8, dtype='bfloat16'),  # in turn
  Line(1),
  Line(1, precision='bfloat16'),
  Line(1, 'vgg16', dtype='bfloat16'),
  Line(1, 'resnet110', dtype='bfloat16', devices=0, split_batches=True),
  Line(1, precision='tensorfloat32'),
  Line(8, dtype='bfloat16', backend='nhwc_products'),
]

if __name__ == '__main__':
  jax.config.update('jax_exec_time_optimization_effort', -1.0)
  main('tpu', LINES, bandwidth=819.0)
