"""Many processes on one study: killed, hanging or full, the same bytes."""

import contextlib
import dataclasses
import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import yaml

from elth_jax.process.connection import HostsError
from elth_jax.process.hosts import Hosts
from elth_jax.reading import as_json
from elth_jax.runner import crew, dask_cluster, session
from elth_jax.runner.batch import Batch
from elth_jax.runner.crew import Crew
from elth_jax.runner.executors import EXECUTORS
from elth_jax.runner.executors.dask import DaskExecutor, _Heard
from elth_jax.runner.layout import Layout
from elth_jax.runner.run import Runner
from elth_jax.storage.manifest import DamagedError
from elth_jax.study.spec import RunOptions, read_config
from elth_jax.training import checkpoint
from elth_jax.workdir import outputs
from elth_jax.workdir.leases import Leases
from elth_jax.workdir.store import Store, StoreError
from tests import crash, hosts_study
from tests.test_hosts import alone

LIMIT = 600  # seconds; a tenth of it, unless the machine has much else to do
FILES = Path(__file__).parent.parent / 'docs' / 'cluster'
GONE_SECONDS = 5  # in which helpers end after their driver
needs_dask = pytest.mark.skipif(
  importlib.util.find_spec('distributed') is None,
  reason="Dask is not installed: pip install 'elth_jax[dask]'",
)


class Started:
  """Processes of one study, which are ended with the test."""

  def __init__(self, kind, workdir):
    self.kind = kind
    self.workdir = workdir
    self.running = []
    self.environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': '2'}

  def start(self, *flags, most_kilobytes=None):
    log = self.workdir.with_name(f'{self.workdir.name}-{len(self.running)}')
    command = [
      *(sys.executable, '-m', 'elth_jax.main'),
      f'--config=tests/hosts_study.py:{self.kind}',
      f'--workdir={self.workdir}',
      '--config.checkpoint_seconds=0.000001',
      *flags,
    ]
    self.running.append(self.run(command, log, most_kilobytes))
    return self.running[-1]

  def run(self, command, log, most_kilobytes=None):
    """Starts a command; one that may write small files alone, if told so."""
    environment = dict(self.environment)
    if most_kilobytes:
      # what it cuts short must not be found by other tests
      environment['ELTH_JAX_CACHE'] = f'{log}-cache'
      limit = f'ulimit -f {most_kilobytes}; exec "$@"'
      command = ['bash', '-c', limit, 'bash', *command]
    with log.open('wb') as file:
      process = subprocess.Popen(
        command,
        stdout=file,
        stderr=file,
        env=environment,
      )
    process.log = log
    return process

  def said(self):
    return [one.log.read_text('utf-8', 'replace') for one in self.running]

  def ends(self, process):
    process.wait(LIMIT)
    return process.returncode

  def wait_for(self, found, process):
    """Waits until a function finds something, while a process works."""
    deadline = time.monotonic() + LIMIT
    while not (value := found()):
      assert time.monotonic() < deadline, self.said()
      assert process.poll() is None, self.said()
      time.sleep(0.02)
    return value

  def trains(self):
    """Whether some run is half done."""
    return list(self.workdir.glob('partial/[!.]*/step-*'))

  def busy(self):
    """A process that works on a run that is half done; 0 if none does."""
    for path in self.trains():
      for lease in self.workdir.glob(f'.leases/{path.parent.name}.*'):
        with contextlib.suppress(FileNotFoundError):
          return int(lease.read_text().partition('-')[0])
    return 0

  def products(self):
    return Store(self.workdir, writable=False).products()


@pytest.fixture
def started(request, tmp_path):
  one = Started(request.param, tmp_path / 'many')
  yield one
  for process in one.running:
    with contextlib.suppress(ProcessLookupError):
      process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


def children(process) -> list[int]:
  """The processes that a process has started and that are alive."""
  found = []
  for path in Path('/proc').glob('[0-9]*/stat'):
    with contextlib.suppress(OSError):
      state, parent, *_ = path.read_text().rpartition(')')[2].split()
      if int(parent) == process.pid and state != 'Z':
        found.append(int(path.parent.name))
  return found


def is_alive(pid) -> bool:
  with contextlib.suppress(OSError):
    stat = Path(f'/proc/{pid}/stat').read_text()
    return stat.rpartition(')')[2].split()[0] != 'Z'
  return False


def check_same(started, tmp_path, monkeypatch):
  expected = alone(started.kind, tmp_path / 'local', monkeypatch)
  assert crash.results(started.workdir) == expected
  left = {path.name for path in started.workdir.rglob('.*')} - {'.lock'}
  # what was half written at a kill is swept when a process starts alone
  assert not {name for name in left if not name.endswith('.aside')}
  assert not (started.workdir / 'metrics').exists()
  assert not (started.workdir / 'damaged').exists()
  log = (started.workdir / 'metrics.jsonl').read_text()
  trained = [Path(name).parent.name for name in expected if 'trained.' in name]
  assert len(trained) > 2 and all(f'"{name}"' in log for name in trained)


@pytest.mark.slow
@pytest.mark.parametrize('started', ['killed'], indirect=True)
def test_plain_processes_share_a_study(started, tmp_path, monkeypatch):
  """One is killed, one hangs, one has a full disk, two do the rest."""
  flags = '--config.executor=shared', '--config.lease_seconds=5'
  first = started.start(*flags)
  started.wait_for(started.trains, first)
  full = started.start(*flags, most_kilobytes=3)
  hung = started.start(*flags)
  others = [started.start(*flags) for _ in range(2)]
  started.wait_for(lambda: len(started.products()) > 3, others[0])
  first.kill()
  hung.send_signal(signal.SIGSTOP)
  assert [started.ends(one) for one in others] == [0, 0], started.said()
  assert started.ends(full) == 1
  assert 'File too large' in full.log.read_text()
  hung.send_signal(signal.SIGCONT)  # late: it finds that all is done
  assert started.ends(hung) == 0, started.said()
  check_same(started, tmp_path, monkeypatch)


def test_what_fails_once_a_run_is_taken_over_does_not_count(
  tmp_path, monkeypatch
):
  """Another process removes the checkpoint that this one writes, twice."""
  expected = alone('tickets', tmp_path / 'local', monkeypatch)
  workdir, save, now = tmp_path / 'shared', checkpoint.save, [0.0]
  errors = [OSError, DamagedError]

  def save_late(folder, *arguments):
    if not errors:
      return save(folder, *arguments)
    other = Leases(workdir, seconds=60, clock=lambda: now[0])
    other.join()
    assert not other.claim(folder.name)
    now[0] += 61  # without a sign of life of this process
    assert other.claim(folder.name)
    threading.Timer(0.5, other.leave).start()
    raise errors.pop()(folder, 'is not there')

  monkeypatch.setattr(checkpoint, 'save', save_late)
  config = hosts_study.study('tickets')
  options = {'executor': 'shared', 'checkpoint_seconds': 1e-6}
  assert session.run({**config, **options}, workdir)
  assert not errors and crash.results(workdir) == expected


def test_a_run_that_hangs_in_a_live_process_is_taken_over(
  tmp_path, monkeypatch
):
  """Its thread that works is stuck for longer than `hung_seconds`."""
  expected = alone('tickets', tmp_path / 'local', monkeypatch)
  workdir, save, stuck = tmp_path / 'shared', checkpoint.save, [True]

  def hang(folder, *arguments):
    if not stuck:
      return save(folder, *arguments)
    stuck.clear()
    other = Leases(workdir, seconds=0.5)
    other.join()
    deadline = time.monotonic() + LIMIT
    while not other.claim(folder.name):
      assert time.monotonic() < deadline
      time.sleep(0.05)
    threading.Timer(0.5, other.leave).start()
    raise OSError(folder, 'is not there')

  monkeypatch.setattr(checkpoint, 'save', hang)
  config = hosts_study.study('tickets')
  options = {'executor': 'shared', 'checkpoint_seconds': 1e-6}
  seconds = {'lease_seconds': 0.6, 'hung_seconds': 0.5}
  assert session.run({**config, **options, **seconds}, workdir)
  assert not stuck and crash.results(workdir) == expected


def test_a_study_that_another_process_extends_is_left_to_it(
  tmp_path, monkeypatch, capsys
):
  config = {**hosts_study.study('tickets'), 'executor': 'shared'}
  larger = {**config, 'replicates': config['replicates'] + 1}
  run = session.Runner.run

  def extended(runner, *arguments):
    run(runner, *arguments)
    outputs.write_config(runner.store, as_json(read_config(larger)[0]))

  with monkeypatch.context() as patch:
    alone('tickets', tmp_path / 'local', patch)  # registers the data
    patch.setattr(session.Runner, 'run', extended)
    session.run(config, tmp_path / 'both')
    assert 'another process has added to the study' in capsys.readouterr().out
    assert not (tmp_path / 'both' / 'results.csv').exists()
    patch.setattr(session.Runner, 'run', run)
    rows = session.run(larger, tmp_path / 'both').results
  assert max(row['replicate'] for row in rows) == config['replicates']


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize('started', ['killed', 'shared'], indirect=True)
def test_a_worker_and_then_the_driver_are_killed(
  started, tmp_path, monkeypatch
):
  """A study of tiny MLPs; one of a ResNet whose batches are shared."""
  flags = '--config.executor=dask', '--config.workers=2'
  driver = started.start(*flags)
  started.wait_for(started.trains, driver)
  worker = started.wait_for(started.busy, driver)
  before = len(started.products())
  os.kill(worker, signal.SIGKILL)

  def goes_on():
    again = len(children(driver)) == 2 and worker not in children(driver)
    return again and len(started.products()) > before

  started.wait_for(goes_on, driver)
  started.wait_for(started.trains, driver)
  workers = children(driver)
  driver.kill()
  driver.wait()
  time.sleep(GONE_SECONDS)
  assert not [pid for pid in workers if is_alive(pid)]
  again = started.start(*flags)
  assert started.ends(again) == 0, started.said()
  assert 'ended with exit code -9; it is started again' in started.said()[0]
  assert 'dashboard: http://' in started.said()[1]
  check_same(started, tmp_path, monkeypatch)


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize('started', ['killed'], indirect=True)
def test_a_cluster_is_joined_by_two_drivers(started, tmp_path, monkeypatch):
  """One worker has a full disk, one other devices, one hangs for a while."""
  file = tmp_path / 'scheduler.json'
  dask = sys.executable, '-m', 'dask'
  cluster = Started('', tmp_path / 'cluster')
  scheduler = [*dask, 'scheduler', '--port', '0', '--no-dashboard']
  scheduler += ['--scheduler-file', str(file)]
  worker = [*dask, 'worker', '--scheduler-file', str(file), '--no-nanny']
  worker += ['--nthreads', '1', '--no-dashboard', '--memory-limit', '0']
  worker += ['--local-directory', str(tmp_path)]
  worker += ['--preload', 'elth_jax.runner.remote']
  one_device = 'import jax; jax.config.update("jax_num_cpu_devices", 1)'
  one_device += '; jax.devices()'
  commands = {
    'scheduler': (scheduler, None),
    'full': (worker, 3),
    'unfit': ([*worker, '--preload', one_device], None),
    'good': (worker, None),
    'hung': (worker, None),
  }
  processes = {
    name: cluster.run(command, tmp_path / name, most_kilobytes)
    for name, (command, most_kilobytes) in commands.items()
  }
  cluster.running += processes.values()
  flags = '--config.executor=dask', f'--config.scheduler={file}'
  flags += ('--config.lease_seconds=15',)
  try:
    drivers = [started.start(*flags) for _ in range(2)]
    started.wait_for(started.trains, drivers[0])
    processes['hung'].send_signal(signal.SIGSTOP)
    assert [started.ends(one) for one in drivers] == [0, 0], started.said()
    processes['hung'].kill()
    leases = started.workdir / '.leases'
    started.wait_for(lambda: not leases.exists(), processes['good'])
  finally:
    for process in processes.values():
      process.kill()
      process.wait()
  said = '\n'.join(started.said())
  assert 'fails here: RuntimeError' in said  # of the device
  assert 'File too large' in said
  check_same(started, tmp_path, monkeypatch)


@pytest.mark.parametrize('started', ['tickets'], indirect=True)
@pytest.mark.slow
@needs_dask
def test_a_study_that_is_asked_to_stop_saves_what_workers_did(
  started, tmp_path, monkeypatch
):
  flags = '--config.executor=dask', '--config.workers=2'
  driver = started.start(*flags)
  started.wait_for(started.trains, driver)
  driver.send_signal(signal.SIGTERM)
  assert started.ends(driver) == 128 + signal.SIGTERM, started.said()
  assert 'stopped; the same command continues' in started.said()[0]
  assert not children(driver)
  assert started.ends(started.start()) == 0  # by this process alone
  check_same(started, tmp_path, monkeypatch)


@pytest.mark.parametrize(
  ('does', 'joins', 'code', 'most'),
  [
    ('exit 3', False, 3, crew.MOST_FAILED_STARTS),
    ('exit 3', True, 3, None),  # what it did then is at fault, and is counted
    ('kill -KILL $$', False, -9, crew.MOST_KILLED_STARTS),
  ],
)
def test_workers_that_cannot_start_end_the_study(
  does, joins, code, most, tmp_path, monkeypatch
):
  python = tmp_path / 'python'
  python.write_text(f'#!/bin/sh\necho no such thing\n{does}\n')
  python.chmod(0o700)
  monkeypatch.setattr(sys, 'executable', str(python))
  said = []
  started = Crew('tcp://127.0.0.1:1', 1, 1, tmp_path, said.append)

  def tend(times):
    while len(said) < times:
      started.tend(['worker-0'] if joins else [])
      time.sleep(0.01)

  try:
    if most:
      said_so = rf'exit code {code} .* no such thing'
      with pytest.raises(HostsError, match=said_so):
        tend(most)
      assert len(said) == most - 1
    else:
      tend(crew.MOST_FAILED_STARTS + 2)
  finally:
    started.close()


@needs_dask
@pytest.mark.slow
def test_the_benchmark_of_empty_nodes_does_them_all():
  root = Path(__file__).parent.parent
  command = [sys.executable, root / 'benchmarks' / 'cluster.py', 'overhead']
  found = subprocess.run(
    [*command, '--replicates=1'],
    env={**os.environ, 'PYTHONPATH': os.pathsep.join([str(root), *sys.path])},
    capture_output=True,
    text=True,
    timeout=LIMIT,
    check=True,
  )
  assert re.findall(r'^(\w+): (\d+) nodes', found.stdout, re.M) == [
    ('local', '20'),
    ('shared', '20'),
    ('dask', '20'),
  ]


def test_all_processes_of_a_study_must_round_alike(tmp_path):
  offered = Layout.of(RunOptions(), Hosts(), 'kernels')
  store = Store(tmp_path)
  offered.fix(store)
  offered.fix(store)
  other = dataclasses.replace(offered, devices=7, kernels='')
  assert other.unlike(offered) == (
    "devices is 7 here, 2 in the study, kernels is 'none' here, 'kernels' in "
    'the study'
  )
  with pytest.raises(StoreError, match=r'devices is 7 here.* or remove '):
    other.fix(store)


@pytest.mark.parametrize(
  ('options', 'match'),
  [
    ({'executor': 'dusk'}, "unknown executor 'dusk'.*dask"),
    ({'scheduler': 'a:1'}, 'give --config.executor=dask too'),
    (
      {'executor': 'shared', 'distributed': 'localhost:1,2,0'},
      'give one of them',
    ),
  ],
)
def test_options_that_do_not_suit_are_refused(options, match, tmp_path):
  config = hosts_study.study('tickets')
  with pytest.raises(session.ConfigError, match=match):
    session.run({**config, **options}, tmp_path / 'workdir')
  assert not (tmp_path / 'workdir').exists()


def test_without_dask_its_extra_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  config = {**hosts_study.study('tickets'), 'executor': 'dask'}
  with pytest.raises(session.ConfigError, match=r'elth_jax\[dask\]'):
    session.run(config, tmp_path / 'workdir')


@needs_dask
def test_a_cluster_that_is_not_there_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr(dask_cluster, 'CONNECT_SECONDS', 0.2)
  refused = pytest.raises(HostsError, match=r'scheduler 127.0.0.1:9 cannot be')
  with refused, dask_cluster.joined('127.0.0.1:9'):
    pass
  file = str(tmp_path / 'scheduler.json')
  with (
    pytest.raises(HostsError, match='is no file here; start one by `dask'),
    dask_cluster.joined(file),
  ):
    pass


class FakeClient:
  """Notes to which workers batches may go."""

  def __init__(self):
    self.workers = []

  def submit(self, *arguments, workers=None, **options):
    self.workers.append(workers)
    return Mock()  # a future


def executor(crew, **heard):
  """One that has heard of some workers so many seconds ago."""
  context = SimpleNamespace(
    options=RunOptions(workers=2), opener=None, order=None
  )
  leases = SimpleNamespace(seconds=60)
  made = DaskExecutor(context, FakeClient(), leases, crew)
  now = time.monotonic()
  made._heard = {
    name: _Heard(name, 1.0, now - ago) for name, ago in heard.items()
  }
  return made


def test_a_worker_that_takes_no_more_of_a_study_gets_no_batch():
  every = executor(None, a=0, b=0)
  every.submit(Batch(('one',)))
  assert every._client.workers == [None]  # also those that will come
  one = executor(None, unfit=0, fit=0, silent=1000)
  one._unfit = {'unfit': 'its disk is broken'}
  one.submit(Batch(('one',)))
  assert one._client.workers == [['fit']]
  none = executor(None, unfit=0, silent=1000)
  none._unfit = {'unfit': 'its disk is broken'}
  assert not none.has_room()
  now = time.monotonic()
  none._require_fit(now)  # the silent one may speak again
  none._heard.pop('silent')
  none._require_fit(now + 59)  # or another one may come
  with pytest.raises(HostsError, match='its disk is broken'):
    none._require_fit(now + 61)


def test_a_worker_that_is_started_again_may_take_a_study():
  own = executor(object(), unfit=0)
  own._unfit = {'unfit': 'its disk is broken'}
  now = time.monotonic()
  own._require_fit(now + 1000)  # of two workers, one is being started
  assert not own.has_room()
  own._unfit['other'] = 'so is its'
  with pytest.raises(HostsError, match='so is its'):
    own._require_fit(now)


def test_workers_are_looked_at_while_none_may_have_what_is_ready():
  """Else nobody would hear that one is fit again, or that none is left."""
  executor = Mock(
    has_room=lambda: False, running=set, wait=Mock(side_effect=HostsError)
  )
  node = SimpleNamespace(name='one')
  runner = Mock(_look_at_others=lambda *_: set())
  runner.schedule.ready = lambda left, held: [node]
  with pytest.raises(HostsError):
    Runner._do_more(runner, executor, Mock(), Mock())
  runner._pause.assert_not_called()


def test_a_batch_whose_workers_left_is_given_to_another():
  one = executor(None, unfit=0, fit=0)
  one._context.say = said = Mock()
  one._unfit = {'unfit': 'its disk is broken'}
  one._leases.abandoned = dict
  one._client.processing = dict
  one.submit(Batch(('one',)))
  seen = {'unfit': ('unfit', 2.0), 'new': ('new', 1.0)}
  one._client.run_on_scheduler = lambda look: seen
  assert one.running() == {'one'}
  one._tend()
  assert one.running() == set()
  said.assert_called_once_with('one is given to another worker: fit left')


@pytest.mark.slow
@pytest.mark.parametrize('started', ['tickets'], indirect=True)
def test_the_script_for_ssh(started, tmp_path, monkeypatch):
  """A stand-in for ssh starts a shell here."""
  ssh = tmp_path / 'bin' / 'ssh'
  ssh.parent.mkdir()
  ssh.write_text('#!/bin/sh\nshift 2\nexec sh -c "$*"\n')
  ssh.chmod(0o755)
  started.environment |= {
    'PATH': f'{ssh.parent}{os.pathsep}{os.environ["PATH"]}',
    'CONFIG': f'tests/hosts_study.py:{started.kind}',
    'DEVICES': '2',
    'PYTHON': sys.executable,
  }
  script = ['docs/cluster/ssh.sh', str(started.workdir), 'host1', 'host2']
  process = started.run(script, tmp_path / 'log')
  started.running.append(process)
  assert started.ends(process) == 0, started.said()
  assert started.said()[0].count('nodes are done in') == 2
  check_same(started, tmp_path, monkeypatch)


@pytest.mark.parametrize('path', sorted(FILES.iterdir()), ids=str)
def test_files_for_clusters_are_whole_and_give_known_options(path):
  text = path.read_text()
  if path.suffix == '.sh':
    subprocess.run(['bash', '-n', path], check=True)
    assert os.access(path, os.X_OK)
  elif path.suffix == '.yaml':
    kinds = [one['kind'] for one in yaml.safe_load_all(text)]
    assert kinds == ['PersistentVolumeClaim', 'Job']
  else:
    compile(text, path, 'exec')
  options = re.findall(r'--config\.(\w+)', text)
  known = {field.name for field in dataclasses.fields(RunOptions)}
  assert options and set(options) <= known
  assert set(re.findall(r'config\.executor=(\w+)', text)) <= set(EXECUTORS)
