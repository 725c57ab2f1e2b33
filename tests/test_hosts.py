"""One study over several processes, each with devices of its own."""

import csv
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from elth_jax import datasets
from elth_jax.process.connection import HostsError
from elth_jax.process.distributed import Distributed
from elth_jax.process.hosts import Hosts, connect
from elth_jax.runner import session
from elth_jax.storage.tensors import decode
from elth_jax.training.input_pipeline import Part
from elth_jax.training.trainer import per_ticket_by_process
from elth_jax.workdir import outputs
from tests import crash, hosts_study, prepared

LIMIT = 600  # seconds; a tenth of it, unless the machine has much else to do
STOPPED = 128 + signal.SIGTERM


def free_port() -> int:
  with socket.socket() as one:
    one.bind(('127.0.0.1', 0))
    return one.getsockname()[1]


class Processes:
  """The processes of one study, which are ended with the test.

  Args:
    kind: of study, in `hosts_study`.
    workdir: of the first; the others are told another one.
    count: how many there are.
    devices: of each.
    more: flags by number of the process.
  """

  def __init__(self, kind, workdir, count=2, devices=2, more=()):
    self.logs = [workdir.with_name(f'{workdir.name}-{n}') for n in range(count)]
    address = f'localhost:{free_port()}'
    self.running = []
    for number, log in enumerate(self.logs):
      distributed = f'{address},{count},{number}' if count > 1 else 'off'
      place = workdir if number == 0 else workdir.with_name('nobody-s')
      command = [
        *(sys.executable, '-m', 'elth_jax.main'),
        f'--config=tests/hosts_study.py:{kind}',
        f'--config.distributed={distributed}',
        f'--workdir={place}',
        *dict(more).get(number, ()),
      ]
      environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': str(devices)}
      with log.open('wb') as file:
        self.running.append(
          subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=file, env=environment
          )
        )

  def __enter__(self):
    return self

  def __exit__(self, *exception):
    for one in self.running:
      one.kill()
      one.wait()

  def codes(self) -> list[int]:
    """How all ended, once they have."""
    deadline = time.monotonic() + LIMIT
    return [
      one.wait(max(deadline - time.monotonic(), 0.1)) for one in self.running
    ]

  def said(self) -> list[str]:
    return [log.read_text('utf-8', 'replace') for log in self.logs]

  def wait_until(self, path: Path, lines: int) -> None:
    """Waits until a file has so many lines."""
    deadline = time.monotonic() + LIMIT
    while not path.is_file() or len(path.read_bytes().splitlines()) < lines:
      assert time.monotonic() < deadline, self.said()
      assert all(one.poll() is None for one in self.running), self.said()
      time.sleep(0.02)


def finish(kind, workdir, count=2, devices=2) -> Path:
  with Processes(kind, workdir, count, devices) as processes:
    assert processes.codes() == [0] * count, processes.said()
  return workdir


def alone(kind, workdir, monkeypatch) -> dict[str, bytes | None]:
  """What the same study ends in where this process does it."""
  entry = datasets.DatasetEntry(hosts_study.tiny)
  monkeypatch.setitem(datasets.DATASETS, 'tiny', entry)
  assert session.run(hosts_study.study(kind), workdir)
  return crash.results(workdir)


def test_two_processes_do_the_study_of_one(tmp_path, monkeypatch):
  """Tickets are spread: bit for bit the same, and process 1 writes nothing."""
  workdir = finish('tickets', tmp_path / 'two')
  assert crash.results(workdir) == alone('tickets', tmp_path / 'x', monkeypatch)
  assert not (tmp_path / 'nobody-s').exists()


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['batch', 'both', 'stream'])
def test_devices_of_several_processes_share_batches(
  kind, tmp_path, monkeypatch
):
  images = [
    [(prepared.jpeg(i % 3, i), i % 3) for i in range(first, first + count)]
    for first, count in ((0, 21), (100, 10))
  ]
  splits = {'train': images[0], 'validation': images[1]}
  prepared.write(tmp_path, 'imagenet2012', '5.1.0', splits)
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
  two = finish(kind, tmp_path / 'two')
  one = finish(kind, tmp_path / 'one', count=1, devices=4)
  made = sorted(one.rglob('*.safetensors'))
  assert len(made) > 3
  for path in made:
    expected = decode(path.read_bytes())
    found = decode((two / path.relative_to(one)).read_bytes())
    assert expected.keys() == found.keys()
    for name, values in expected.items():
      np.testing.assert_allclose(
        found[name], values, rtol=2e-3, atol=1e-4, err_msg=f'{path}: {name}'
      )
      if '/kernel' in name:
        np.testing.assert_array_equal(found[name] == 0, values == 0)
  assert rows(one) == rows(two)


def rows(workdir: Path) -> list[dict[str, str]]:
  """The rows of results.csv, but for what rounding may change."""
  with (workdir / 'results.csv').open() as file:
    found = list(csv.DictReader(file))
  for row in found:
    row['test_loss'] = f'{float(row["test_loss"]):.3f}'
  return found


@pytest.mark.slow
@pytest.mark.parametrize('number', [0, 1])
def test_a_signal_to_one_stops_all_and_nothing_is_lost(
  number, tmp_path, monkeypatch
):
  workdir = tmp_path / 'two'
  with Processes('killed', workdir) as processes:
    processes.wait_until(workdir / 'metrics.jsonl', 20)
    processes.running[number].send_signal(signal.SIGTERM)
    assert processes.codes() == [STOPPED] * 2, processes.said()
    for said in processes.said():
      assert 'stopped; the same command continues' in said
      assert 'Traceback' not in said
  assert not outputs.inspect(workdir).closed
  assert list((workdir / 'partial').glob('*/step-*'))
  finish('killed', workdir)
  expected = alone('killed', tmp_path / 'x', monkeypatch)
  assert crash.results(workdir) == expected


@pytest.mark.slow
@pytest.mark.parametrize('number', [0, 1])
def test_a_killed_process_ends_the_others_and_nothing_is_lost(
  number, tmp_path, monkeypatch
):
  workdir = tmp_path / 'two'
  with Processes('killed', workdir) as processes:
    processes.wait_until(workdir / 'metrics.jsonl', 20)
    processes.running[number].kill()
    codes = processes.codes()
    assert codes[number] == -signal.SIGKILL
    assert codes[1 - number] == STOPPED, processes.said()
    assert 'the same command continues' in processes.said()[1 - number]
  assert not outputs.inspect(workdir).closed
  finish('killed', workdir)
  expected = alone('killed', tmp_path / 'x', monkeypatch)
  assert crash.results(workdir) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
  ('flag', 'message'),
  [
    ('--config.seed=7', 'study: '),
    ('--config.dataset=no_such_data', 'process 1: ConfigError'),
  ],
)
def test_processes_that_do_not_agree_all_end(flag, message, tmp_path):
  workdir = tmp_path / 'two'
  with Processes('tickets', workdir, more={1: [flag]}) as processes:
    assert processes.codes() == [1, 1], processes.said()
    assert message in processes.said()[0]
  assert not workdir.exists()


@pytest.mark.parametrize(
  'text', ['off', 'auto', 'host:1234,2,0', '[::1]:80,3,2']
)
def test_the_option_is_read_and_written(text):
  assert str(Distributed.parse(text)) == text


@pytest.mark.parametrize(
  'text',
  ['', 'on', 'host:1', 'host:1,2', 'host,2,0', 'host:70000,2,0', 'h:1,2,2'],
)
def test_other_texts_are_refused(text):
  with pytest.raises(ValueError, match='give off, auto, or address:port'):
    Distributed.parse(text)


def test_auto_without_a_cluster_is_refused():
  with pytest.raises(
    HostsError, match=r'distributed=auto: .* give address:port'
  ):
    connect(Distributed('auto'))


def test_a_process_alone_leads_and_is_never_told_to_stop():
  hosts = connect(Distributed())
  assert hosts.leads and hosts.count == 1 and not hosts.is_asked_to_stop()
  with pytest.raises(KeyError), Hosts().together(lambda: False):
    raise KeyError


@dataclasses.dataclass
class Device:
  process_index: int


@pytest.mark.parametrize(
  ('each', 'processes', 'most', 'share'),
  [
    (7, 1, 2, 2),  # one process: any number
    (4, 2, 8, 8),
    (4, 2, 4, 4),
    (4, 3, 6, 4),  # all devices of a process, not half of the next one's
    (4, 2, 3, 2),  # rows of a process, all equally long
    (4, 2, 1, 1),
  ],
)
def test_a_ticket_has_a_part_of_one_process_or_all_of_several(
  each, processes, most, share
):
  devices = [Device(p) for p in range(processes) for _ in range(each)]
  assert per_ticket_by_process(most, devices) == share


def test_parts_of_a_batch_meet():
  parts = [Part(0, 2, 4), Part(2, 4, 4)]
  assert [part.columns(9) for part in parts] == [range(6), range(6, 12)]
  assert Part().columns(9) == range(9)
