import time

import jax
import pytest

from elth_jax.process import phases
from elth_jax.process.memory import peak_memory
from elth_jax.runner import profile
from elth_jax.workdir.store import Store


def test_what_an_inner_phase_takes_is_its_own():
  with phases.listening() as clock:
    with phases.phase('outer'):
      time.sleep(0.02)
      with phases.phase('inner'):
        time.sleep(0.05)
    with phases.phase('inner'):
      pass
  assert clock.calls == {'outer': 1, 'inner': 2}
  assert 0.02 <= clock.seconds['outer'] < 0.05 <= clock.seconds['inner']
  table = clock.table()
  assert table.index('inner') < table.index('outer') < table.index('other')


def test_compiling_is_taken_out_of_the_phase_that_needs_it():
  with phases.listening() as clock, phases.phase('step'):
    began = time.perf_counter()
    jax.jit(lambda x: jax.numpy.tanh(x) @ x)(jax.numpy.ones((3, 3)))
    took = time.perf_counter() - began
  assert clock.seconds['compile'] > 0
  assert sum(clock.seconds.values()) == pytest.approx(took, rel=0.2)
  with phases.phase('unheard'):  # nobody listens any more
    jax.jit(lambda x: x * 3 + 2)(1.0)
  assert 'unheard' not in clock.seconds


def test_memory_is_counted_in_bytes():
  assert peak_memory()['host'] > 50 * 2**20


def test_a_profile_is_written_also_if_the_study_stops(tmp_path, capsys):
  store = Store(tmp_path)
  with (
    pytest.raises(KeyboardInterrupt),
    profile.into(store),
    phases.phase('step'),
  ):
    jax.jit(lambda x: x - 1)(2.0)
    raise KeyboardInterrupt
  assert 'step' in (tmp_path / 'profile' / 'phases.txt').read_text()
  assert list((tmp_path / 'profile').rglob('*.xplane.pb'))
  assert 'step' in capsys.readouterr().out
