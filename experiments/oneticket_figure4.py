"""OneTicket, figure 4: tickets of ResNet50 across six data sets.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure4.py:cifar10 --workdir=runs/figure4

Figure 3 with another network: see there for the panels, which are named behind
the file, and how data sets are made alike.
`--config.scale=small`: a sixteenth as wide, on 10,000 images of 16 pixels,
51.6% and 94.5% sparsity, between Fashion-MNIST, MNIST and CIFAR-10; not
timed.
`--config.scale=short`: on 25,000 images, 12 epochs of them, from Fashion-MNIST
and CIFAR-10.
`--config.scale=gpu`: at full width, on 25,000 images of 16 pixels, 94.5%
sparsity, between the same three data sets, 32 epochs in bfloat16, four
replicates; some three minutes of an H100, by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.oneticket import PANELS, oneticket_transfer

CHOICES = PANELS


def get_config(dataset: str = 'cifar10') -> ConfigDict:
  return oneticket_transfer('resnet50', dataset, figure=4)
