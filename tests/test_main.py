"""The command line, in processes of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from elth_jax import doctor

SMALL = [
  '--config=configs/digits_mlp.py',
  '--config.width=6',
  '--config.levels=1',
  '--config.compare_levels=(1,)',
  '--config.replicates=2',
  '--config.recipe.epochs=2',
]


def command(*arguments):
  return [sys.executable, '-m', 'elth_jax.main', *arguments]


def run(*arguments):
  return subprocess.run(
    command(*arguments), capture_output=True, text=True, timeout=300
  )


@pytest.mark.slow
def test_compiled_programs_are_kept_unless_turned_off(tmp_path):
  programs = tmp_path / 'programs'
  kept = []
  for name, cache in (('a', 'off'), ('b', programs), ('c', programs)):
    done = run(
      *SMALL,
      "--config.methods=('imp',)",
      f'--workdir={tmp_path / name}',
      f'--compilation_cache={cache}',
    )
    assert done.returncode == 0, done.stderr
    kept.append({path.name for path in programs.glob('*/*-cache')})
  assert not kept[0] and any('segment' in name for name in kept[1])
  assert kept[2] == kept[1]  # the third start compiled nothing
  one, two, three = (tmp_path / n / 'results.csv' for n in 'abc')
  assert one.read_bytes() == two.read_bytes() == three.read_bytes()


def test_a_study_from_the_command_line_killed_and_continued(tmp_path):
  whole = run(*SMALL, f'--workdir={tmp_path}/whole')
  assert whole.returncode == 0, whole.stderr
  assert 'ETT from MLP-3' in whole.stdout
  page = (tmp_path / 'whole' / 'report.html').read_text()
  assert 'python -m elth_jax.main --config=configs/digits_mlp.py' in page
  workdir = tmp_path / 'killed'
  process = subprocess.Popen(
    command(*SMALL, f'--workdir={workdir}'), stderr=subprocess.PIPE
  )
  deadline = time.monotonic() + 120
  while not (workdir / 'metrics.jsonl').is_file():
    assert time.monotonic() < deadline and process.poll() is None
    time.sleep(0.02)
  process.send_signal(signal.SIGTERM)
  _, errors = process.communicate(timeout=120)
  if process.returncode:  # else it was done before the signal came
    assert process.returncode == 143
    assert b'the same command continues' in errors
  assert run(*SMALL, f'--workdir={workdir}').returncode == 0
  one, other = (tmp_path / n / 'results.csv' for n in ('whole', 'killed'))
  assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == 'win32', reason='needs POSIX signals')
def test_signals_while_it_compiles_and_a_full_disk(tmp_path):
  workdir = tmp_path / 'workdir'
  arguments = [*SMALL, f'--workdir={workdir}', '--compilation_cache=off']
  # nothing may grow beyond 12 kB: a ticket does
  full_disk = (
    'import os, resource, sys\n'
    'resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))\n'
    'os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', full_disk, *command(*arguments)[1:]],
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == 1
  lines = [line for line in done.stderr.splitlines() if 'elth_jax:' in line]
  assert len(lines) == 1 and 'File too large' in lines[0]
  assert 'Traceback' not in done.stderr
  assert doctor.main([str(workdir)]) == 0

  process = subprocess.Popen(
    command(*arguments), stderr=subprocess.PIPE, text=True
  )
  deadline = time.monotonic() + 120
  while not (workdir / '.owner.json').is_file():  # compiling comes next
    assert time.monotonic() < deadline and process.poll() is None
    time.sleep(0.01)
  process.send_signal(signal.SIGUSR1)
  assert process.stderr
  said = process.stderr.readline()
  process.send_signal(signal.SIGUSR1)
  rest = process.communicate(timeout=60)[1]
  assert process.returncode == 128 + signal.SIGUSR1, said + rest
  assert 'once more leaves now' in said + rest
  assert run(*arguments).returncode == 0
  assert doctor.main([str(workdir)]) == 0


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (
      ['--config.levls=3'],
      "unknown config field 'levls'; did you mean 'levels'",
    ),
    (['--config.epochs=3'], "did you mean 'recipe.epochs'"),
    (['--config.recipe.lr=3'], "did you mean 'recipe.learning_rate'"),
    (['--config.recipe_on.mnist.epochs=3'], "this config has no 'mnist'"),
    (["--config.targets=('mlq2',)"], "did you mean 'mlp'"),
    (["--config.targets=('resnet13',)"], '6 n + 2'),
    (["--config.sources=('mlp1',)"], 'no units to replicate'),
    (['--config.dataset=cifar10'], 'elth_jax.prepare cifar10'),
    (['--config.levels=many'], 'levels'),
    (['--workdir=/proc/nowhere'], 'workdir /proc/nowhere cannot be written'),
    (['--config=configs/none.py'], 'configs/none.py'),
    (['--config=experiments/elth_table6.py:mnist'], "data set 'mnist'"),
    (['--config.image_size=-1'], 'image_size is -1'),
    (['--config.read_threads=-1'], 'read_threads is -1'),
  ],
)
def test_bad_input_is_one_clear_line(tmp_path, arguments, message):
  environment = {**os.environ, 'TFDS_DATA_DIR': str(tmp_path / 'none')}
  done = subprocess.run(
    command(SMALL[0], f'--workdir={tmp_path}/w', *arguments),
    capture_output=True,
    text=True,
    env=environment,
    timeout=120,
  )
  assert done.returncode == 1
  assert message in done.stderr
  assert 'Traceback' not in done.stderr
  assert len(done.stderr.strip().splitlines()) <= 3
  assert not (tmp_path / 'w' / 'runs').exists()
