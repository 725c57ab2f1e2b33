"""What training costs, in floating-point operations."""

from collections.abc import Mapping


def train_flops(
  multiply_adds: Mapping[str, int], densities: Mapping[str, float], images: int
) -> float:
  """Training FLOPs of a sparse network on `images` images.

  A multiply-add is two operations; a training step costs three forward
  passes; each leaf costs its multiply-adds times its density.

  Args:
    multiply_adds: of one image's forward pass, by leaf.
    densities: share of weights kept by leaf; a leaf not named is dense.
    images: how many images are seen, repetitions counted.

  References:
    Evci et al., Rigging the Lottery, 2020, appendix H; Chen et al. 2021,
    table 2.
  """
  sparse = sum(
    count * densities.get(leaf, 1.0) for leaf, count in multiply_adds.items()
  )
  return 6.0 * sparse * images
