"""What a network and its training cost, in operations."""

from collections.abc import Callable, Mapping
from typing import Any

from elth_jax.nn.forward_work import forward_work
from elth_jax.trees import PyTree


def train_flops(
  multiply_adds: Mapping[str, int], densities: Mapping[str, float], images: int
) -> float:
  """Training FLOPs of a sparse network on `images` images.

  A multiply-add is two operations; a training step costs three forward
  passes; each leaf costs its multiply-adds times its density.

  Args:
    multiply_adds: of one image's forward pass, by leaf.
    densities: share of weights kept by leaf; a leaf not named is dense, and
      so are products of activations.
    images: how many images are seen, repetitions counted.

  References:
    Evci et al., Rigging the Lottery, 2020, appendix H; Chen et al. 2021,
    table 2.
  """
  sparse = sum(
    count * densities.get(leaf, 1.0) for leaf, count in multiply_adds.items()
  )
  return 6.0 * sparse * images


def multiply_adds(
  apply: Callable[..., Any], variables: Mapping[str, PyTree], inputs: Any
) -> dict[str, int]:
  """Multiply-adds of a forward pass, by leaf of the parameters.

  Every matrix product and convolution is counted as often as it is executed:
  a layer called three times counts three times, one in a scan once for each
  round. A loop whose rounds are not known before it runs counts as one round,
  and of branches the one with the most counts. Products along elements, such
  as those of BN, are not counted.

  Args:
    apply: (variables, inputs) -> outputs, of any Flax model.
    variables: with `params`; arrays, or shapes as `jax.eval_shape` returns.
    inputs: array or `jax.ShapeDtypeStruct`; a batch of one image for the
      multiply-adds of one image.

  Returns:
    Leaf name -> multiply-adds, in the order of execution. A product with
    something that is computed from several parameters counts for the largest
    of them. Products without parameters, such as attention's of queries and
    keys, are counted under `activations`.
  """
  return dict(forward_work(apply, variables, inputs).multiply_adds)
