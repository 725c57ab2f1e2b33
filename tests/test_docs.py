"""The examples of the README and of docs/ run as they stand."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elth_jax.datasets import DATASETS
from elth_jax.elastic.rules import RULES
from elth_jax.families import FAMILIES, architecture
from elth_jax.masks import counts
from elth_jax.methods import METHODS, Setting
from elth_jax.methods.lottery import dense_ticket
from elth_jax.training.loop import fit
from elth_jax.training.trainer import Trainer

ROOT = Path(__file__).parent.parent


def examples(path: str) -> list[str]:
  return re.findall(r'```python\n(.*?)```', (ROOT / path).read_text(), re.S)


def test_the_readme(tmp_path, monkeypatch):
  pure, of_tickets = examples('README.md')
  names = {}
  exec(pure, names)
  assert list(names['deep']['stage3']) == [f'block{b}' for b in range(5)]
  monkeypatch.chdir(tmp_path)
  net = architecture('resnet20', (8, 8, 1), 10, 2)
  ticket = dense_ticket(net, **net.init(0))
  ticket.save(re.search(r"load\('([^']+)'\)", of_tickets)[1])
  exec(of_tickets, names)
  assert (tmp_path / 'resnet32.safetensors').is_file()


def test_safety(tmp_path, monkeypatch):
  (example,) = examples('docs/safety.md')
  monkeypatch.chdir(tmp_path)
  net = architecture('resnet8', (8, 8, 1), 10, 2)
  dense_ticket(net, **net.init(0)).save('ticket.safetensors')
  exec(example, {})
  assert (tmp_path / 'my-ticket' / 'README.md').is_file()


def test_tickets_in_use(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  names = {}
  for example in examples('docs/tickets.md'):
    exec(example, names)
  assert counts(names['masks'])[0] < counts(names['dense'].masks)[0]


def test_the_transformations(capsys, dataset, recipe):
  """Also trains the page's own family, which is not built of our layers."""
  value, mirror, explained, doubled, encoder, registered = examples(
    'docs/transformations.md'
  )
  page = (ROOT / 'docs/transformations.md').read_text()
  exec(value, {})
  try:
    exec(mirror, {})
    assert f'```\n{capsys.readouterr().out}```' in page
  finally:
    del RULES['mirror']
  exec(explained, {})
  assert capsys.readouterr().out in page
  exec(doubled, {})
  names = {}
  exec(encoder, names)
  assert '0:0,1;1:2,3;2:4 0.' in capsys.readouterr().out
  try:
    exec(registered, names)
    assert 'plain4 -> plain6: 0:0,2;1:1,3;2:4;3:5' in capsys.readouterr().out
    net = architecture('plain3', dataset.image_shape, dataset.classes)
    ticket = dense_ticket(net, **net.init(0))
    trainer = Trainer(net, recipe, dataset)
    states, (evaluation,) = fit(trainer, [trainer.start(ticket, 2)], [0], 4)
    assert states[0].step == 4 and np.isfinite(evaluation.loss)
    pixels = dataset.image_shape[0] * dataset.image_shape[1]
    assert net.multiply_adds()['block_1/kernel'] == 9 * 8 * 8 * pixels
    again, other = net.init(0), net.init(1)
    leaf = ticket.params['block_1']['kernel']
    np.testing.assert_array_equal(again['params']['block_1']['kernel'], leaf)
    assert not np.array_equal(other['params']['block_1']['kernel'], leaf)
    with pytest.raises(ValueError, match="a family 'plain' already"):
      names['families'].register(FAMILIES['plain'])
  finally:
    FAMILIES.pop('plain', None)


def test_a_method_of_your_own(tickets, dataset):
  dense, sparse = tickets
  (example,) = examples('docs/methods.md')
  try:
    exec(example, {})
    made = METHODS['scattered'].make(
      {'rewind': dense, 'imp': sparse}, Setting(1, 0, dataset, 8)
    )
    assert counts(made.masks) == counts(sparse.masks)
  finally:
    METHODS.pop('scattered', None)


GUIDES = sorted(ROOT.glob('docs/guides/*.md'))
SLOW = {'own_model'}


@pytest.mark.parametrize(
  'path',
  [
    ROOT / 'docs/index.md',
    *(
      pytest.param(path, marks=[pytest.mark.slow] * (path.stem in SLOW))
      for path in GUIDES
    ),
  ],
  ids=lambda path: path.stem,
)
def test_guides(path, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  names = {}
  try:
    for example in examples(path):
      exec(example, names)
  finally:
    FAMILIES.pop('plain_cnn', None)
    FAMILIES.pop('nnx_cnn', None)
    DATASETS.pop('noise', None)


def texts_of_the_code() -> str:
  """All text that is written in the package, f-strings without their values."""
  found = []
  for path in (ROOT / 'elth_jax').rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
      if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found.append(node.value)
  return '\n'.join(found)


def test_questions_quote_errors_that_there_are():
  page = (ROOT / 'docs/faq.md').read_text('utf-8')
  quoted = re.findall(r'^### `(.+)`$', page, re.M)
  texts = texts_of_the_code()
  assert len(quoted) > 10
  for error in quoted:
    for part in error.split('…'):
      assert part.strip(' ,:;?') in texts, error


@pytest.mark.parametrize(
  'path', ['README.md', *ROOT.glob('docs/*.md'), *GUIDES], ids=str
)
def test_every_file_that_is_named_exists(path):
  text = (ROOT / path).read_text()
  for name in re.findall(
    r'\b(?:configs|experiments|docs|benchmarks|figures)/\w+\.\w+', text
  ):
    assert (ROOT / name).is_file() or (ROOT / 'docs' / name).is_file(), name


DOTTED = re.compile(
  r'`(?:elth_jax\.)?((?:analysis|datasets|dynamic|elastic|families|masks|methods'
  r'|optim|pruners|study|tickets|training|transfers)(?:\.\w+)+)'
)


def test_every_name_of_the_pages_is_there_once_the_package_is_imported():
  """In a fresh process: what other tests import is not there yet."""
  pages = [ROOT / 'README.md', *(ROOT / 'docs').glob('**/*.md')]
  text = ''.join(page.read_text('utf-8') for page in pages)
  names = set(DOTTED.findall(text)) - {'study.failed', 'study.results'}
  assert {'tickets.widths.widen', 'study.shipped.load_shipped'} <= names
  code = (
    'import functools, sys, elth_jax\n'
    'for name in sys.argv[1:]:\n'
    '  functools.reduce(getattr, name.split("."), elth_jax)\n'
  )
  subprocess.run([sys.executable, '-c', code, *sorted(names)], check=True)
