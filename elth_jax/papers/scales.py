"""How large the papers' studies are here: what their scales change.

Each is a mapping of a config's fields, nested as the config is.
"""

from typing import Any

# E-LTH's studies on CIFAR-10, at all of its sparsities
PAPER_CIFAR = {
  'dataset': 'cifar10',
  'levels': 13,
  'compare_levels': tuple(range(1, 14)),  # 20% to 94.5% sparsity
  'replicates': 3,
  'imagenet_normalization': True,  # as the published runs did
}
HIGH = 0.945  # sparsity, where the figures tell methods apart


def scaled_recipe(epochs: int, **others: Any) -> dict[str, Any]:
  """What smaller scales change of a recipe; others go by their names.

  The learning rate drops after two thirds and five sixths of the epochs.
  """
  return {
    'epochs': epochs,
    'drop_epochs': (2 * epochs // 3, 5 * epochs // 6),
    'rewind_step': 0,
    'rewind_epochs': 1,
    'crop_padding': 0,
    **others,
  }


# ResNets a quarter as wide on a few small images, trained until twice the
# epochs gain dense networks less than a point
SMALL = {
  'width': 4,  # channels of the first stage; 16 in the paper
  'levels': 3,
  'compare_levels': (3,),
  'prune_fraction': 0.62,  # of what is left; 94.5% sparsity in three levels
}
SMALL_CIFAR = {
  **SMALL,
  'image_size': 16,
  'train_examples': 10_000,
  'recipe': scaled_recipe(54, batch_size=64, rewind_epochs=3),
}
# grey images, which train faster and spread less
SMALL_FASHION = {
  **SMALL,
  'dataset': 'fashion_mnist',
  'image_size': 14,
  'train_examples': 15_000,
  'replicates': 8,
  'recipe': scaled_recipe(36, rewind_epochs=3),
}
# VGGs, whose pooling needs larger images
SMALL_VGG = {**SMALL_FASHION, 'image_size': 16}
# all images, a few epochs of them; twice as many gain dense ResNets a point on
# Fashion-MNIST and five on CIFAR-10
SHORT_CIFAR = {
  **SMALL,
  'image_size': 16,
  'recipe': scaled_recipe(12, crop_padding=2),
}
SHORT_FASHION = {**SHORT_CIFAR, 'dataset': 'fashion_mnist', 'image_size': 14}
# whole networks and all images, a fifth of the training: an H100 trains four
# ResNet-20 side by side in a minute (docs/accelerators.md)
GPU_CIFAR = {
  'levels': 3,
  'compare_levels': (3,),
  'prune_fraction': 0.62,  # of what is left; 94.5% sparsity in three levels
  'replicates': 4,
  'recipe': {
    'epochs': 32,
    'drop_epochs': (16, 24),
    'rewind_step': 250,
    'dtype': 'bfloat16',
  },
}
# the same for larger networks, in as much time
GPU_SMALL_IMAGES = {**GPU_CIFAR, 'image_size': 16, 'train_examples': 25_000}
# a mirrored digit is no digit
DIGITS_BATCHES = {'batch_size': 32, 'flip': False}
# ResNets on handwritten digits of 8 pixels, which come with scikit-learn: whole
# ladders in minutes of two cores, until twice the epochs gain dense networks
# less than a point; but 360 test images. Wider sparse networks all reach 97%,
# which hides what tells them apart
DIGITS = {
  **SMALL,
  'width': 2,
  'dataset': 'digits',
  'imagenet_normalization': False,
  'replicates': 8,
  'recipe': scaled_recipe(24, **DIGITS_BATCHES),
}
# twice as wide, with random crops, which take longer to learn: twice the epochs
# gain dense networks about a point
DIGITS_CROPS = {
  **DIGITS,
  'width': 4,
  'recipe': scaled_recipe(36, crop_padding=1, **DIGITS_BATCHES),
}
# a third of that training; twice the epochs gain dense ResNets 2 to 6 points
DIGITS_SHORT = {
  **DIGITS_CROPS,
  'recipe': scaled_recipe(12, crop_padding=1, **DIGITS_BATCHES),
}
# VGGs, whose pooling needs larger images; they learn more slowly too. Twice as
# wide, they and most sparse networks reach 99%
DIGITS_VGG = {
  **DIGITS,
  'image_size': 16,
  'width': 4,
  'recipe': scaled_recipe(48, **DIGITS_BATCHES),
}
# twice as wide, a quarter of that training, with random crops; twice the epochs
# gain dense VGGs up to 11 points
DIGITS_VGG_CROPS = {**DIGITS_SHORT, 'image_size': 16, 'width': 8}
# the smaller scales of a study that stretches one ResNet to another
ONE_STRETCH = {
  'small': {
    **SMALL_FASHION,
    'sources': ('resnet14',),
    'targets': ('resnet20',),
  },
  'gpu': {**GPU_CIFAR, 'sources': ('resnet14',), 'targets': ('resnet20',)},
  'digits': {**DIGITS, 'compare_levels': (1, 3)},  # 62% and 94.5% sparsity
  'digits_crops': {**DIGITS_CROPS, 'compare_levels': (1, 3)},
}
# four levels to the same sparsity: 51.6%, where little is pruned, and 94.5%
FOUR_LEVELS = {
  'levels': 4,
  'compare_levels': (1, 4),
  'prune_fraction': 0.516,  # of what is left
}
