"""What a GPU does with one and with several tickets.

  python benchmarks/gpu.py [--minutes=8] [--bandwidth=3350]

Trains some steps of the published recipe on images of CIFAR's shape, a whole
epoch in one dispatch, and the same in PyTorch where that is installed. All
programs are compiled at once, then timed in turn. It prints the seconds that
160 epochs would take a ticket, and how many times longer that is than moving
each activation a few times would take (`--bandwidth`, in GB/s: 3350 for an
H100, 4800 for an H200). The most valuable lines come first, and it ends after
its minutes. For accuracy, run a study:

  python -m elth_jax.main --config=experiments/elth_figure6.py --workdir=DIR \
    --config.scale=gpu
"""

from accelerator import Line, main

GRAPHS = 'channels_last, compiled, CUDA graphs'  # of PyTorch's network alone
LINES = [
  Line(1, dtype='bfloat16'),
  Line(8, dtype='bfloat16'),
  Line(1),
  Line(8),
  Line(8, precision='tensorfloat32'),
  Line(pytorch=GRAPHS, dtype='bfloat16'),
  Line(pytorch='as open_lth'),
  Line(4, dtype='bfloat16'),
  Line(1, 'vgg16', dtype='bfloat16'),
  Line(8, 'vgg16', dtype='bfloat16'),
  Line(pytorch=GRAPHS, network='vgg16', dtype='bfloat16'),
  Line(8, dtype='bfloat16', backend='nhwc_products'),
]

if __name__ == '__main__':
  main('gpu', LINES, bandwidth=3350.0, at_once=True)
