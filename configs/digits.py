"""The default: elastic tickets on handwritten digits, from one IMP run.

  python -m elth_jax.main --config=configs/digits.py --workdir=runs/digits
"""

from ml_collections import ConfigDict

from elth_jax.training.recipe import Recipe


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.dataset = 'digits'
  config.sources = ('resnet20',)
  config.targets = ('resnet14', 'resnet32')
  config.width = 4
  config.methods = ('imp', 'ett', 'reinit', 'random', 'magnitude')
  config.orders = ('append',)
  config.levels = 8
  config.compare_levels = (4, 6, 8)
  config.prune_fraction = 0.3
  config.replicates = 4
  config.seed = 0
  config.recipe = ConfigDict(vars(Recipe(
    epochs=10, drop_epochs=(6, 8), rewind_step=12, flip=False, crop_padding=1)))
  config.parallel = 0
  config.checkpoint_seconds = 300.0
  config.dry_run = False
  return config
