"""scikit-learn's handwritten digits: the data set that needs no download.

References:
  Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998;
  the 1,797 images of 8x8 pixels that scikit-learn ships.
"""

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from elth_jax.datasets.dataset import Dataset, DatasetError, content_hash
from elth_jax.datasets.registry import register
from elth_jax.randomness import generator

TEST_SHARE = 0.2
CONTENT = '91f0cb7f6a6044e32c104d5b4065e74c06b08be4b54900ca39673cd75ea78060'


def load() -> Dataset:
  """1,437 training and 360 test images; the same stratified split always.

  Raises:
    DatasetError: if scikit-learn ships other images.
  """
  digits: Any = load_digits()
  # pixels are counts from 0 to 16
  images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
  labels = digits.target.astype(np.int32)
  if content_hash(images, labels) != CONTENT:
    raise DatasetError(
      'the digits of scikit-learn are not the published ones; install another '
      'version of scikit-learn'
    )
  test = _stratified(labels)
  train = images[~test]
  return Dataset(
    name='digits',
    train_images=train,
    train_labels=labels[~test],
    test_images=images[test],
    test_labels=labels[test],
    classes=10,
    mean=(float(train.mean() / 255),),
    std=(float(train.std() / 255),),
  )


def _stratified(labels: np.ndarray) -> np.ndarray:
  """A fixed choice of `TEST_SHARE` of the images, evenly over classes."""
  order = generator(0, 'digits/test').permutation(len(labels))
  by_class = order[np.argsort(labels[order], kind='stable')]
  test = np.zeros(len(labels), bool)
  test[by_class[:: round(1 / TEST_SHARE)]] = True
  return test


register(
  'digits', load, label='digits', doc='Handwritten digits of 8x8 pixels.'
)
