"""The README's examples run as they stand."""

import re
from pathlib import Path

from elth_jax.families import architecture
from elth_jax.lottery import dense_ticket

README = (Path(__file__).parent.parent / 'README.md').read_text()
PYTHON = re.findall(r'```python\n(.*?)```', README, re.S)


def test_the_examples_run(tmp_path, monkeypatch):
  pure, of_tickets = PYTHON
  names = {}
  exec(pure, names)
  assert list(names['deep']['stage3']) == [f'block{b}' for b in range(5)]
  monkeypatch.chdir(tmp_path)
  net = architecture('resnet20', (8, 8, 1), 10, 2)
  fresh = net.init(0)
  ticket = dense_ticket(net, fresh['params'], fresh['batch_stats'])
  ticket.save(re.search(r"load\('([^']+)'\)", of_tickets)[1])
  exec(of_tickets, names)
  assert (tmp_path / 'resnet32.safetensors').is_file()


def test_every_file_that_is_named_exists():
  root = Path(__file__).parent.parent
  for path in re.findall(
    r'\b(?:configs|experiments|docs|benchmarks)/\w+\.\w+', README
  ):
    assert (root / path).is_file(), path
