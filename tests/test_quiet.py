"""A library stays quiet: settings of the process are the user's."""

import subprocess
import sys

SNAPSHOT = """
import importlib, logging, os, pkgutil, signal, sys, tempfile, warnings
import absl.app, absl.flags, absl.logging, flax, jax, matplotlib.figure
import ml_collections.config_flags, numpy, optax, orbax.checkpoint
import rich.progress, scipy.stats, sklearn.datasets, tensorflow_datasets
import elth_jax

HANDLED = sorted(set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP})

def snapshot():
  wakeup = signal.set_wakeup_fd(-1)
  loggers = {'': logging.getLogger(), **logging.root.manager.loggerDict}
  return {
    'signals': [signal.getsignal(number) for number in HANDLED],
    'wakeup': wakeup,
    'environment': dict(os.environ),
    'flags': sorted(absl.flags.FLAGS),
    'jax': dict(jax.config.values),
    'matplotlib': dict(matplotlib.rcParams),
    'numpy': (numpy.geterr(), numpy.get_printoptions()),
    'warnings': list(warnings.filters),
    'hooks': (sys.excepthook, sys.displayhook),
    'loggers': {
      name: (logger.level, list(logger.handlers), logger.propagate)
      for name, logger in loggers.items()
      if isinstance(logger, logging.Logger)
    },
  }

def compare(before, after):
  for what, value in before.items():
    if isinstance(value, dict):  # loggers may come, and none may change
      changed = {k: v for k, v in value.items() if after[what].get(k) != v}
      assert not changed, (what, changed)
    else:
      assert after[what] == value, (what, value, after[what])

before = snapshot()
"""
IMPORTS = """
for module in pkgutil.walk_packages(elth_jax.__path__, 'elth_jax.'):
  importlib.import_module(module.name)
compare(before, snapshot())
assert 'elth_jax.main' in sys.modules
"""
RUN = """
import dataclasses
from elth_jax import doctor, reproduction
from elth_jax.runner import session
from elth_jax.study.config import base_config
from elth_jax.training import checkpoint
from elth_jax.training.recipe import MLP

saved, save = [], checkpoint.save
checkpoint.save = lambda *given: saved.append(save(*given))
config = base_config(
  dataset='digits',
  sources=('mlp3',),
  targets=('mlp2',),
  width=6,
  levels=1,
  compare_levels=(1,),
  replicates=1,
  methods=('imp',),
  checkpoint_seconds=1e-9,
  recipe=dataclasses.replace(MLP, batch_size=512, epochs=1),
)
with tempfile.TemporaryDirectory() as folder:
  assert session.run(config, folder) and saved
  assert doctor.main([folder]) == 0
  assert reproduction.main([folder, f'--into={folder}/docs']) == 1
compare(before, snapshot())
"""


def run(code):
  subprocess.run([sys.executable, '-c', code], check=True, timeout=120)


def test_importing_changes_no_setting():
  run(SNAPSHOT + IMPORTS)


def test_running_a_study_changes_no_setting():
  run(SNAPSHOT + RUN)
