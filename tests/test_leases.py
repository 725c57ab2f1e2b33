"""Leases: one owner for each node, whoever is killed, late or hangs."""

import json
import signal
import subprocess
import sys
import time

import pytest

from elth_jax.storage.files import write_once
from elth_jax.workdir import lock
from elth_jax.workdir.leases import Leases
from elth_jax.workdir.metrics import Metrics
from elth_jax.workdir.owners import is_gone, this_process
from tests.leasing import NODES


class Clock:
  """A clock of a test's own."""

  def __init__(self, now=0.0):
    self.now = now

  def __call__(self):
    return self.now


@pytest.fixture
def join(tmp_path):
  """Joins the workdir as a process of another machine would."""
  joined = []

  def join_as(machine, seconds=1e6, clock=None, **options):
    one = Leases(tmp_path, seconds, clock=clock or time.monotonic, **options)
    one.owner = one.owner.__class__(machine, 1, machine, '0')
    one.join()
    joined.append(one)
    return one

  yield join_as
  for one in joined:
    one.leave()


def test_one_process_gets_a_node(join):
  one, other = join('a'), join('b')
  assert one.claim('node') and one.claim('node')
  assert not other.claim('node')
  assert one.holds('node') and not other.holds('node')
  assert list(other.held_by_others()) == ['node']
  assert not one.held_by_others()
  one.release('node')
  assert other.claim('node') and not one.claim('node')


def test_a_process_that_left_gives_up_its_nodes(join, tmp_path):
  one, other = join('a'), join('b')
  assert one.claim('node')
  one.leave()
  assert not other.others() and other.claim('node')
  killed = join('c')
  assert killed.claim('more')
  killed._ended.set()
  killed._owner_file(killed.token).unlink()
  assert other.claim('more') and other.number('more') == 1
  other.leave()
  assert not list((tmp_path / '.leases').glob('*.*'))


def test_a_silent_owner_is_taken_over_and_comes_back_late(join):
  """Its own clock alone tells a process that another one is silent."""
  clock = Clock()
  hung, other = join('a'), join('b', seconds=60, clock=clock)
  third = join('c', seconds=60, clock=Clock(-1e9))
  assert hung.claim('node')
  assert not other.claim('node')
  clock.now = 59
  assert not other.claim('node')
  hung._beat()
  clock.now = 119  # a minute after the first look, but it was heard since
  assert not other.claim('node')
  clock.now = 180
  assert other.claim('node')
  assert other.holds('node') and not hung.holds('node')
  assert not third.claim('node')  # whose owner is another one, just seen
  hung.release('node')  # late: it is not its own any more
  assert other.holds('node')
  assert hung.claim('else')  # alive again
  hung._beat()
  assert not other.claim('else')


def test_a_process_whose_work_hangs_falls_silent(join):
  clock = Clock()
  hung = join('a', seconds=0.06, hung_seconds=10, clock=clock)

  def beats():
    return json.loads(hung._contents()[hung.token])['beats']

  before = beats()
  deadline = time.monotonic() + 10
  while beats() == before:  # a thread shows that it lives
    assert time.monotonic() < deadline
    time.sleep(0.01)
  clock.now = 11
  time.sleep(0.1)
  before = beats()
  time.sleep(0.1)
  assert beats() == before
  hung.touch()
  while beats() == before:
    assert time.monotonic() < deadline
    time.sleep(0.01)


def test_an_ended_process_of_this_machine_is_known_at_once():
  sleep = [sys.executable, '-c', 'import time; time.sleep(99)']
  child = subprocess.Popen(sleep)
  owner = this_process()
  assert not is_gone(owner)
  assert is_gone(owner.__class__(owner.host, owner.pid, owner.machine, '1'))
  there = owner.__class__(owner.host, child.pid, owner.machine, '1')
  child.kill()
  child.wait()
  assert is_gone(there)
  elsewhere = owner.__class__(owner.host, child.pid, 'another machine', '1')
  assert not is_gone(elsewhere)


def test_processes_do_every_node_once_also_those_of_the_killed(tmp_path):
  """Two are killed with a lease; then four do all the work."""
  for count, ends in ((2, 'killed'), (4, 'works')):
    processes = [
      subprocess.Popen(
        [sys.executable, '-m', 'tests.leasing', tmp_path, str(seed), ends]
      )
      for seed in range(count)
    ]
    codes = [process.wait(120) for process in processes]
    assert codes == [-signal.SIGKILL if ends == 'killed' else 0] * count
  done = (tmp_path / 'done.txt').read_text().split()
  assert sorted(done) == sorted(NODES)
  assert not [path for path in tmp_path.iterdir() if path.name[0] == '.']


def test_the_log_of_a_run_survives_owners_that_come_and_go(tmp_path):
  """One is killed, one gives up, and so the numbers of leases begin again."""
  for number, first in ((0, 1), (1, 2), (0, 3), (0, 4)):
    metrics = Metrics(tmp_path)
    metrics.begin_own('node', number, first - 1)
    metrics.log(node='node', step=first, time=float(first))
  Metrics(tmp_path).join()
  lines = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line)['step'] for line in lines] == [1, 2, 3, 4]


def test_a_product_is_written_by_one_process_alone(tmp_path):
  assert write_once(tmp_path / 'product', b'first')
  assert not write_once(tmp_path / 'product', b'second')
  assert (tmp_path / 'product').read_bytes() == b'first'
  assert [path.name for path in tmp_path.iterdir()] == ['product']


def test_alone_and_shared_keep_each_other_out(tmp_path):
  refused = pytest.raises(lock.BusyError, match='in use by process')
  with lock.owned(tmp_path), refused, lock.shared(tmp_path, 60):
    pass
  both = lock.shared(tmp_path, 60), lock.shared(tmp_path, 60)
  with both[0], both[1], refused, lock.owned(tmp_path):
    pass
  with lock.owned(tmp_path):
    assert not (tmp_path / '.leases').exists()


def test_alone_waits_until_it_is_sure_that_others_are_dead(join, tmp_path):
  silent = join('a')
  silent._ended.set()
  with lock.owned(tmp_path, seconds=0.3):
    pass
  beating = join('b', seconds=0.6)  # every tenth of a second
  refused = pytest.raises(lock.BusyError, match='process 1 on b')
  with refused, lock.owned(tmp_path, seconds=20):
    pass
  assert beating.claim('node')
