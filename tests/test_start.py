"""The first moments of a command, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elth_jax.runner.command_line import with_one_config
from elth_jax.study.shipped import load_shipped, shipped_names

ROOT = Path(__file__).parent.parent

WAIT = """
import pathlib, time
pathlib.Path({marker!r}).touch()
time.sleep(60)
"""
STUDY = """
import jax.numpy as jnp
CHANNELS = int(jnp.ones(6).sum())  # JAX computes before flags are read
import dataclasses
from elth_jax import families
from elth_jax.study.config import base_config
from elth_jax.training.recipe import MLP

mlp = families.FAMILIES['mlp']
families.register(dataclasses.replace(mlp, name='plain', label='Plané'))

def get_config():
  return base_config(
    dataset='digits',
    sources=('plain3',),
    targets=('plain2',),
    width=CHANNELS,
    levels=1,
    compare_levels=(1,),
    replicates=2,
    methods=('imp',),
    recipe=dataclasses.replace(MLP, batch_size=512, epochs=1),
  )
"""


def start(*arguments, **environment):
  given = {**os.environ, **environment}
  return subprocess.Popen(
    [sys.executable, '-m', 'elth_jax.main', *arguments],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    encoding='ascii' if 'PYTHONIOENCODING' in environment else 'utf-8',
    env={name: value for name, value in given.items() if value is not None},
  )


def finish(*arguments, **environment):
  """(exit code, stdout, stderr) of a command that ends by itself."""
  process = start(*arguments, **environment)
  out, errors = process.communicate(timeout=120)
  return process.returncode, out, errors


def wait_for(path, process):
  deadline = time.monotonic() + 60
  while not path.exists():
    assert time.monotonic() < deadline and process.poll() is None
    time.sleep(0.01)


@pytest.mark.skipif(sys.platform == 'win32', reason='needs POSIX signals')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('moment', ['imports', 'config'])
def test_a_signal_before_anything_was_done(tmp_path, moment, number):
  marker, config = tmp_path / 'marker', tmp_path / 'config.py'
  slow = WAIT.format(marker=str(marker))
  config.write_text(slow if moment == 'config' else STUDY)
  path = os.environ.get('PYTHONPATH', '')
  if moment == 'imports':  # of a package that takes long
    (tmp_path / 'absl').mkdir()
    (tmp_path / 'absl' / '__init__.py').write_text(slow)
    path = os.pathsep.join([str(tmp_path), path])
  process = start(
    f'--config={config}', f'--workdir={tmp_path}/w', PYTHONPATH=path
  )
  wait_for(marker, process)
  process.send_signal(number)
  out, errors = process.communicate(timeout=20)
  assert process.returncode == 128 + number
  assert (out, errors) == ('', 'elth_jax: stopped before anything was done\n')
  assert not (tmp_path / 'w').exists()


def test_a_config_that_computes_and_registers_on_an_ascii_terminal(tmp_path):
  config, workdir = tmp_path / 'config.py', tmp_path / 'café'
  config.write_text(STUDY, encoding='utf-8')
  code, out, errors = finish(
    f'--config={config}',
    f'--config={config}',  # the last one counts, and is executed once
    f'--workdir={workdir}',
    f'--compilation_cache={tmp_path}/programs',
    PYTHONIOENCODING='ascii',
    JAX_COMPILATION_CACHE_DIR=str(tmp_path / 'other'),
    JAX_NUM_CPU_DEVICES='',
  )
  assert code == 0, errors
  assert 'Plan\\xe9-2: test accuracy' in out and ' +- ' in out
  assert 'caf\\xe9/report.html' in out
  kept = {path.name for path in (tmp_path / 'programs').glob('*/*-cache')}
  assert any('segment' in name for name in kept)
  page = (workdir / 'report.html').read_text(encoding='utf-8')
  assert 'Plané-2' in page and '±' in page and 'café' in page


@pytest.mark.parametrize(
  ('environment', 'message'),
  [
    ({'JAX_PLATFORMS': 'cuda'}, "pip install 'elth_jax[cuda]'"),
    ({'JAX_PLATFORMS': 'cpuu'}, "cannot use 'cpuu'"),
    ({'JAX_PLATFORMS': 'cpu', 'JAX_NUM_CPU_DEVICES': '0'}, 'give 1 or more'),
    ({'JAX_PLATFORMS': 'cpu', 'JAX_NUM_CPU_DEVICES': 'x'}, 'num_cpu_devices'),
  ],
)
def test_devices_that_are_not_there_are_one_line(
  tmp_path, environment, message
):
  (tmp_path / 'config.py').write_text('import jax\njax.numpy.ones(1)\n')
  arguments = f'--config={tmp_path}/config.py', f'--workdir={tmp_path}/w'
  code, out, errors = finish(*arguments, **environment)
  assert (code, out) == (1, '')
  assert message in errors and errors.startswith('elth_jax: ')
  assert len(errors.splitlines()) == 1
  assert not (tmp_path / 'w').exists()


def test_how_many_devices_a_cpu_is_split_into():
  code = (
    'from elth_jax.process import devices\ndevices.split_cpu()\n'
    'import jax\nprint(jax.device_count(), devices.suitable_cpu_devices())\n'
  )

  def count(**environment):
    given = {**os.environ, 'JAX_PLATFORMS': 'cpu', **environment}
    done = subprocess.run(
      [sys.executable, '-c', code],
      env=given,
      check=True,
      capture_output=True,
      text=True,
      timeout=60,
    )
    return [int(word) for word in done.stdout.split()]

  flag = '--xla_force_host_platform_device_count=3'
  found, suitable = count()
  assert found == suitable <= 8
  assert count(XLA_FLAGS=flag)[0] == 3
  assert count(JAX_NUM_CPU_DEVICES='5')[0] == 5
  assert count(JAX_NUM_CPU_DEVICES='5', XLA_FLAGS=flag)[0] == 5


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('def get_config():\n  return 1 / 0\n', 'line 2: ZeroDivisionError'),
    ('def get_config():\n  open("/none/x")\n', 'line 2: FileNotFoundError'),
    ('def get_config(:\n', 'line 1'),
    ('def get_config():\n  return 3\n', 'must return a ConfigDict'),
    ('def get_config():\n  pass\n', 'must return a ConfigDict'),
    ('import nothing_of_that_name\n', 'line 1: ModuleNotFoundError'),
  ],
)
def test_a_fault_in_a_config_is_one_line(tmp_path, text, message):
  (tmp_path / 'config.py').write_text(text)
  code, _, errors = finish(
    f'--config={tmp_path}/config.py', f'--workdir={tmp_path}/w'
  )
  last = errors.splitlines()[-1]
  assert code == 1 and 'Traceback' not in errors
  assert last.startswith('elth_jax: ') and message in last
  assert 'config.py' in last


def test_a_home_that_is_empty_counts_as_unset(tmp_path):
  """The commands look where the user's password entry says."""
  code = (
    'import os\nfrom elth_jax.storage.files import cache_dir, local_path\n'
    'import pwd\nhome = pwd.getpwuid(os.getuid()).pw_dir\n'
    'assert str(local_path("~/x", "a")) == os.path.join(home, "x")\n'
    'assert cache_dir() == local_path("~/.cache/elth_jax", "a")\n'
  )
  empty = {'HOME': '', 'XDG_CACHE_HOME': '', 'ELTH_JAX_CACHE': ''}
  given = {**os.environ, **empty}
  subprocess.run([sys.executable, '-c', code], env=given, check=True)


def test_the_config_is_given_once_and_found(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.chdir(tmp_path)
  for name in ('a.py', 'b.py'):
    Path(name).touch()
  assert with_one_config(['--config=a.py', '--x=1', '--config', '~/b.py']) == [
    f'--config={tmp_path}/b.py',
    '--x=1',
  ]
  assert with_one_config(['--config=b.py:two//three', '--config.x=1']) == [
    '--config=b.py:two//three',
    '--config.x=1',
  ]
  for wrong, message in (
    ('', 'is empty'),
    ('gs://bucket/a.py', 'gs:'),
    ('c.py', 'no file c.py'),
  ):
    with pytest.raises(ValueError, match=message):
      with_one_config([f'--config={wrong}'])


@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--workdir=gs://bucket/runs', "workdir is 'gs://bucket/runs'"),
    ('--compilation_cache=s3://bucket', "compilation_cache is 's3://bucket'"),
  ],
)
def test_paths_elsewhere_are_refused_in_one_line(tmp_path, flag, message):
  config = 'def get_config():\n  return {}\n'
  (tmp_path / 'config.py').write_text(config)
  code, _, errors = finish(
    f'--config={tmp_path}/config.py', f'--workdir={tmp_path}/w', flag
  )
  assert code == 1 and message in errors
  assert len(errors.splitlines()) == 1
  assert not (tmp_path / 'w').exists()


FAMILY = """
import multiprocessing, sys, time
from elth_jax.process.signals import StopRequest, leave_to_parent

def read():
  leave_to_parent()
  print('ready', flush=True)
  time.sleep(60)

stop = StopRequest()
stop.start_running()
child = multiprocessing.get_context('fork').Process(target=read, daemon=True)
child.start()
while not stop:
  time.sleep(0.01)
child.join(0.5)
print('reading' if child.is_alive() else 'gone', flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='needs POSIX signals')
def test_processes_that_read_data_end_with_their_parent_alone():
  process = subprocess.Popen(
    [sys.executable, '-W', 'ignore', '-c', FAMILY],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    start_new_session=True,
  )
  assert process.stdout and process.stdout.readline() == 'ready\n'
  os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
  assert process.stdout.readline() == 'reading\n'
  os.killpg(process.pid, signal.SIGINT)
  _, errors = process.communicate(timeout=20)  # until both have ended
  assert process.returncode == 130
  assert errors.count('\n') == 1 and 'once more leaves now' in errors


@pytest.mark.skipif(sys.platform == 'win32', reason='needs POSIX signals')
@pytest.mark.parametrize('module', ['doctor', 'reproduction'])
def test_other_commands_end_at_once(tmp_path, module):
  marker = tmp_path / 'marker'
  (tmp_path / 'jax').mkdir()
  slow = WAIT.format(marker=str(marker))
  (tmp_path / 'jax' / '__init__.py').write_text(slow)
  path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
  process = subprocess.Popen(
    [sys.executable, '-m', f'elth_jax.{module}', str(tmp_path)],
    stderr=subprocess.PIPE,
    env={**os.environ, 'PYTHONPATH': path},
  )
  wait_for(marker, process)
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate(timeout=20)
  assert (process.returncode, errors) == (130, b'elth_jax: stopped\n')


def test_what_fails_after_a_signal_counts_as_stopped(tmp_path):
  """A signal to a whole job also ends processes that it reads data with."""
  lost = (
    'import os, signal, time\nfrom elth_jax import datasets\n\n'
    'def load():\n  os.kill(os.getpid(), signal.SIGTERM)\n  time.sleep(1)\n'
    '  raise RuntimeError("a worker was lost")\n\n'
    'datasets.register("lost", load)\n'
  )
  config = tmp_path / 'config.py'
  config.write_text(
    lost + STUDY.replace("'digits'", "'lost'"), encoding='utf-8'
  )
  code, _, errors = finish(f'--config={config}', f'--workdir={tmp_path}/w')
  assert code == 128 + signal.SIGTERM
  assert 'RuntimeError: a worker was lost\n' in errors
  assert errors.endswith('stopped; the same command continues\n')
  assert 'Traceback' not in errors


def test_configs_that_come_with_the_package_are_found_by_name(
  tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  for name in ('digits', 'digits.py', 'configs/digits.py'):
    (found,) = with_one_config([f'--config={name}'])
    assert found == f'--config={ROOT / "configs" / "digits.py"}'
  for name in ('elth_table6', 'experiments/elth_table6.py'):
    (found,) = with_one_config([f'--config={name}:cifar10'])
    file = ROOT / 'experiments' / 'elth_table6.py'
    assert found == f'--config={file}:cifar10'
  Path('digits').touch()  # a file of that name comes first
  assert with_one_config(['--config=digits']) == ['--config=digits']
  for wrong in ('digitz', '../configs/digits', 'docs/draw', 'configs/elth_'):
    with pytest.raises(ValueError, match=r'no file .* unknown config'):
      with_one_config([f'--config={wrong}'])
  with pytest.raises(ValueError, match="did you mean 'digits'"):
    with_one_config(['--config=digit'])


def test_a_shipped_config_is_loaded_with_its_choice():
  assert load_shipped('digits_mlp').sources == ('mlp3',)
  config = load_shipped('experiments/elth_table6', 'svhn_cropped')
  assert config.dataset == 'svhn_cropped'
  assert 'experiments/elth_table6' in shipped_names()
  with pytest.raises(ValueError, match="unknown data set 'mnist'"):
    load_shipped('elth_table6', 'mnist')
