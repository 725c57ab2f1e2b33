"""Which kernels compute a study's convolutions."""

from collections.abc import Mapping

from elth_jax.nn.default_backend import kernels
from elth_jax.study.nodes import Node
from elth_jax.study.spec import RunOptions


def record_kernels(nodes: Mapping[str, Node], options: RunOptions) -> str:
  """What to record of the C++ kernels; '' if XLA computes convolutions.

  Compiles the kernels if they are not kept from an earlier start.

  Raises:
    ValueError: if `options.native` is on and the kernels cannot be had.
  """
  networks = {node.architecture for node in nodes.values()}
  found = {
    kernels(network.backend(native=options.native)) for network in networks
  }
  return max(found)
