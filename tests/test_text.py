import io

import pytest

from elth_jax.process.text import counted, printable, say


def terminal(encoding):
  return io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline='')


@pytest.mark.parametrize(
  ('encoding', 'expected'),
  [
    ('utf-8', '1 ± 2 → café'),
    ('latin-1', '1 ± 2 -> café'),
    ('ascii', '1 +- 2 -> caf\\xe9'),
  ],
)
def test_a_line_is_printed_on_any_terminal(encoding, expected):
  stream = terminal(encoding)
  say('1 ± 2 → café', stream)
  stream.flush()
  assert stream.buffer.getvalue().decode(encoding) == f'{expected}\n'


def test_names_that_are_no_text_are_escaped():
  stream = terminal('utf-8')
  say('runs/caf\udce9', stream)  # as Python reads other bytes
  stream.flush()
  assert stream.buffer.getvalue() == b'runs/caf\\udce9\n'


def test_stdout_is_the_default_and_may_be_missing(monkeypatch, capsys):
  say('here')
  assert capsys.readouterr().out == 'here\n'
  monkeypatch.setattr('sys.stdout', None)
  say('nowhere')
  assert printable('±') == '±'


def test_one_of_a_thing_has_no_plural():
  assert [counted(n, 'run') for n in (0, 1, 2)] == ['0 runs', '1 run', '2 runs']
