"""OneTicket, figure 3: tickets of VGG19 across six data sets.

  TFDS_DATA_DIR=... python -m elth_jax.main \
    --config=experiments/oneticket_figure3.py:cifar10 --workdir=runs/figure3

One panel a run: the data set that tickets are trained on is named behind the
file (fashion_mnist, svhn_cropped, cifar10, cifar100, imagenet2012,
places365_small, or mnist, which the paper has not), and tickets found on all
the others are trained there, beside IMP's own and random ones. Images keep
their size, grey ones are repeated in three channels; heads are fresh where
classes differ. ImageNet and Places365 are streamed, and trained from each
other's tickets alone, as in the paper.
`--config.scale=small`: a sixteenth as wide, on 10,000 images of 16 pixels,
51.6% and 94.5% sparsity, between Fashion-MNIST, MNIST and CIFAR-10; ten
minutes on two cores, and four for a panel that takes IMP from the first.
`--config.scale=short`: on 25,000 images, 12 epochs of them, from Fashion-MNIST
and CIFAR-10.
`--config.scale=gpu`: at full width, on 25,000 images of 16 pixels, 94.5%
sparsity, between the same three data sets, 32 epochs in bfloat16, four
replicates; some eight minutes of an H100, by what VGG-16 took there.
"""

from ml_collections import ConfigDict

from elth_jax.papers.oneticket import PANELS, oneticket_transfer

CHOICES = PANELS


def get_config(dataset: str = 'cifar10') -> ConfigDict:
  return oneticket_transfer('vgg19', dataset, figure=3)
