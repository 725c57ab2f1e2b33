"""The command `elth-jax`, and what it says of itself."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs import digits
from elth_jax import __main__ as entry
from elth_jax._version import __version__
from elth_jax.cli import commands
from elth_jax.reading import defaults, plain
from elth_jax.runner import command_line
from elth_jax.study import fields as fields_module
from elth_jax.study.fields import config_fields
from elth_jax.study.shipped import find_shipped, shipped_names
from elth_jax.study.spec import RunOptions, StudySpec
from elth_jax.training.recipe import Recipe

ROOT = Path(__file__).parent.parent
PATH = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])


def run(*words):
  """(exit code, output, errors) of the command in a process of its own."""
  done = subprocess.run(
    [sys.executable, '-m', 'elth_jax', *words],
    capture_output=True,
    text=True,
    timeout=120,
    env={**os.environ, 'PYTHONPATH': PATH},
  )
  return done.returncode, done.stdout, done.stderr


def flat(values, prefix=''):
  found = {}
  for name, value in values.items():
    if isinstance(value, dict) and name not in (
      'recipe_on',
      'orders_of',
      'scales',
    ):
      found |= flat(value, f'{prefix}{name}.')
    else:
      found[prefix + name] = value
  return found


def test_every_field_of_a_config_is_described():
  described = {field.name: field for field in config_fields()}
  assert described.keys() == flat(plain(digits.get_config())).keys()
  for name, field in described.items():
    assert len(field.meaning) > 8 and field.meaning.endswith(('.', '...')), name
  assert described['recipe.optimizer'].choices == (
    'sgd',
    'adam',
    'adamw',
  )
  assert described['recipe.precision'].choices[1] == 'highest'
  assert described['levels'].type == 'int'
  assert described['dataset'].default is None


def test_defaults_are_those_of_the_dataclasses():
  known = {**defaults(StudySpec), **defaults(RunOptions), 'recipe': Recipe()}
  known = flat(plain(known))
  for field in config_fields():
    if field.default is not None and field.name in known:
      found = eval(field.default, {})
      assert plain(found) == known[field.name], field.name


def test_a_field_without_a_meaning_is_noticed(monkeypatch, tmp_path):
  source = (
    'class A:\n  """What.\n\n  Attributes:\n    one: said,\n      twice.\n'
    '  """\n\n  one: int = 1\n  two: str = ""\n'
  )
  (tmp_path / 'a.py').write_text(source)
  monkeypatch.setattr(fields_module, '_PACKAGE', tmp_path)
  monkeypatch.setattr(fields_module, 'GROUPS', {'G': ('x.', 'a.py', 'A')})
  one, two = fields_module.config_fields.__wrapped__()
  assert dataclasses.astuple(one) == ('x.one', 'said, twice.', 'int', '1', 'G')
  assert (two.meaning, two.default) == ('', "''")


@pytest.mark.parametrize('module', ['elth_jax', 'elth_jax.main'])
def test_help_names_every_field_and_loads_no_jax(module):
  words = ['run', '--help'] if module == 'elth_jax' else ['--help']
  done = subprocess.run(
    [sys.executable, '-X', 'importtime', '-m', module, *words],
    capture_output=True,
    text=True,
    timeout=60,
    check=True,
    env={**os.environ, 'PYTHONPATH': PATH},
  )
  for field in config_fields():
    assert f'--config.{field.name}=' in done.stdout
  assert 'how many times IMP prunes [default: 10]' in done.stdout
  loaded = {line.rpartition('|')[2].strip() for line in done.stderr.split('\n')}
  assert 'elth_jax.runner.usage' in loaded
  assert not loaded & {'jax', 'numpy', 'absl', 'ml_collections'}


def test_version_help_and_mistakes(capsys, monkeypatch):
  assert commands.run_command(['--version']) == 0
  assert capsys.readouterr().out == f'elth-jax {__version__}\n'
  assert commands.run_command([]) == 0
  overview = capsys.readouterr().out
  assert all(word in overview for word in ('run', *commands.COMMANDS))
  assert commands.run_command(['docter']) == 1
  assert "did you mean 'doctor'" in capsys.readouterr().err
  assert commands.run_command(['--config=digits']) == 1
  assert 'elth-jax run --config=digits' in capsys.readouterr().err
  monkeypatch.setattr(sys, 'argv', ['elth-jax', '--version'])
  with pytest.raises(SystemExit) as ended:
    entry.main()
  assert ended.value.code == 0


@pytest.mark.parametrize('word', sorted(commands.COMMANDS))
def test_every_command_has_help(word, capsys, monkeypatch):
  monkeypatch.setattr(commands, 'StopRequest', lambda notice: None)
  with pytest.raises(SystemExit) as ended:
    commands.run_command([word, '--help'])
  assert ended.value.code == 0
  assert f'elth-jax {word}' in capsys.readouterr().out


def test_the_command_that_goes_on_with_a_study():
  def typed(program):
    return command_line.typed_command(
      [program, '--config=digits', '--workdir=a b']
    )

  end = "--config=digits '--workdir=a b'"
  assert typed('/usr/bin/elth-jax') == f'elth-jax run {end}'
  assert typed('/x/elth_jax/__main__.py') == f'python -m elth_jax run {end}'
  assert typed('/x/elth_jax/main.py') == f'python -m elth_jax.main {end}'


@pytest.mark.slow
def test_a_study_by_its_name_from_anywhere(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  code, out, errors = run(
    'run',
    '--config=digits_mlp',
    '--workdir=w',
    '--config.levels=1',
    '--config.compare_levels=(1,)',
    '--config.replicates=1',
    '--config.width=6',
    '--config.recipe.epochs=1',
    "--config.methods=('imp',)",
  )
  assert code == 0, errors
  assert 'report: w/report.html' in out
  code, out, errors = run('doctor', 'w')
  assert code == 0 and 'no damage' in out, errors
  code, out, errors = run('run', '--config=digits_mlq', '--workdir=v')
  assert code == 1 and "did you mean 'digits_mlp'" in errors


def test_configs_are_listed_and_described(capsys):
  from elth_jax.cli import configs

  assert configs.main([]) == 0
  lines = capsys.readouterr().out.splitlines()
  assert len(lines) == len(shipped_names())
  assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)
  assert configs.main(['digits']) == 0
  text = capsys.readouterr().out
  assert '--config=configs/digits.py' in text
  assert str(find_shipped('digits')) in text
  assert configs.main(['digitz']) == 1
  assert "did you mean 'digits'" in capsys.readouterr().err


OWN = """
from beside import number
from elth_jax import families
from elth_jax.families import family
from elth_jax.study.shipped import load_shipped

if 'chain' not in families.FAMILIES:
  mlp = families.FAMILIES['mlp']
  families.register(family.dataclasses.replace(mlp, name='chain'))


def get_config():
  config = load_shipped('digits_mlp')
  config.sources = config.targets = (f'chain{number}',)
  return config
"""


@pytest.mark.slow
def test_a_config_s_own_families_are_known(tmp_path, monkeypatch):
  """The installed command finds what stands beside a config, too."""
  (tmp_path / 'own').mkdir()
  (tmp_path / 'own' / 'own.py').write_text(OWN)
  (tmp_path / 'own' / 'beside.py').write_text('number = 3')
  monkeypatch.chdir(tmp_path)
  file = '--config=own/own.py'
  code, out, errors = run(
    'run',
    file,
    '--workdir=w',
    '--config.levels=1',
    '--config.compare_levels=(1,)',
    '--config.replicates=1',
    '--config.width=6',
    '--config.recipe.epochs=1',
    "--config.methods=('imp',)",
  )
  assert code == 0, errors
  code, out, errors = run('watch', 'w')
  assert code == 0 and "unknown family 'chain'" in out
  code, out, errors = run('watch', 'w', file)
  assert (code, out) == (0, '3 of 3 runs finished; the study is done\n'), errors
  code, out, errors = run('doctor', 'w', file)
  assert code == 0 and 'unknown' not in out, errors
  code, out, errors = run('explain', 'chain3', 'chain4', file)
  assert code == 0 and 'chain4' in out, errors
  code, out, errors = run('explain', 'chain3', 'chain4', '--config=none.py')
  assert code == 1 and 'elth_jax: --config: there is no file none.py' in errors
  monkeypatch.setenv('HOME', str(tmp_path))  # as for run: ~, and names
  for config in ('--config=~/own/own.py', '--config=digits:foo'):
    code, out, errors = run('explain', 'resnet20', 'resnet32', config)
    assert code == 0, errors
  code, out, errors = run('run', '--config=digits:foo', '--workdir=w2')
  assert code == 1 and 'digits.py takes no choice behind a colon' in errors


def test_a_ticket_is_transformed_to_a_file(capsys, tmp_path):
  from elth_jax import Ticket
  from elth_jax.cli import transform

  file = tmp_path / 'stretched.safetensors'
  words = ['elth_jax:resnet20-digits', 'resnet32', str(file)]
  assert transform.main(words) == 0
  assert 'resnet32' in (out := capsys.readouterr().out) and str(file) in out
  found = Ticket.load(file)
  wanted = Ticket.from_pretrained(words[0]).transform('resnet32')
  assert found.to_bytes() == wanted.to_bytes()
  assert transform.main(words) == 1
  assert f'{file} is there' in capsys.readouterr().err
  back = str(tmp_path / 'back.safetensors')
  assert transform.main([str(file), 'resnet20', back, '--order=squeeze']) == 0
  assert Ticket.load(back).sparsity == Ticket.from_pretrained(words[0]).sparsity
  capsys.readouterr()
  assert transform.main([str(tmp_path / 'none'), 'resnet20', f'{file}2']) == 1
  assert 'none' in capsys.readouterr().err


def test_an_explanation_needs_no_accelerator(monkeypatch):
  monkeypatch.setenv('JAX_PLATFORMS', 'gpux')
  code, _, errors = run('explain', 'resnet20', 'resnet32')
  assert code == 1 and len(errors.splitlines()) == 1 and 'gpux' in errors


def test_a_transfer_is_explained(capsys, tmp_path, monkeypatch):
  from elth_jax import Ticket
  from elth_jax.cli import explain

  figure = tmp_path / 'plan.svg'
  assert explain.main(['resnet20', 'resnet32', f'--figure={figure}']) == 0
  assert 'stage1     3 -> 5  0 1 2 [1] [2]' in capsys.readouterr().out
  assert '<svg' in figure.read_text()
  ticket = tmp_path / 'ticket.safetensors'
  Ticket.from_pretrained('elth_jax:mlp4-mnist').save(ticket)
  for source in ('elth_jax:mlp4-mnist', str(ticket)):
    assert explain.main([source, 'mlp5']) == 0
    assert '%' in capsys.readouterr().out  # sparsities of the masks
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'resnet20').mkdir()  # a name goes before a folder
  assert explain.main(['resnet20', 'resnet32']) == 0
  capsys.readouterr()
  for wrong, reason in (
    (['./resnet20', 'resnet32'], 'has no ticket.safetensors'),
    (['resnet20', 'resnet32', '--figure=no/plan.svg'], 'there is no folder no'),
    (['resnet20', 'resnet32', '--figure=plan.svgg'], 'that ends in .svg, .png'),
  ):
    assert explain.main(wrong) == 1
    found = capsys.readouterr()
    assert reason in found.err and not found.out
  assert explain.main(['resnet20', 'resnet31']) == 1
  assert 'the nearest are resnet26' in capsys.readouterr().err
  assert explain.main(['none.safetensors', 'resnet32']) == 1
  assert 'none.safetensors' in capsys.readouterr().err


def completed(line):
  """What a shell is told that the line may go on with."""
  pytest.importorskip('fcntl')  # answers go through a file descriptor of POSIX
  code = (
    'import os, sys\nos.dup2(1, 8)\nos.dup2(2, 9)\nfrom elth_jax import '
    '__main__\nsys.argv = ["elth-jax"]\n__main__.main()\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    capture_output=True,
    text=True,
    timeout=60,
    env={
      **os.environ,
      'PYTHONPATH': PATH,
      '_ARGCOMPLETE': '1',
      '_ARGCOMPLETE_SHELL': 'bash',
      '_ARGCOMPLETE_IFS': '\n',
      'COMP_LINE': line,
      'COMP_POINT': str(len(line)),
    },
  )
  assert done.returncode == 0, done.stderr
  return [word.strip() for word in done.stdout.split('\n')]


def test_a_shell_completes(capsys):
  assert {'run', 'doctor', 'watch'} <= set(completed('elth-jax '))
  found = completed('elth-jax run --config=dig')
  assert '--config=digits_mlp' in found
  found = completed('elth-jax run --config.recipe.o')
  assert found == ['--config.recipe.optimizer']
  found = completed('elth-jax run --config.native=o')
  assert found == ['--config.native=on', '--config.native=off']
  from elth_jax.cli import completion

  for shell in completion.SHELLS:
    assert completion.main([shell]) == 0
    assert 'elth-jax' in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == 'win32', reason='needs POSIX pipes')
def test_a_reader_that_leaves_early_is_no_traceback():
  process = subprocess.Popen(
    [sys.executable, '-m', 'elth_jax', 'configs'],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    env={**os.environ, 'PYTHONPATH': PATH},
  )
  assert process.stdout and process.stderr
  process.stdout.close()
  assert (process.stderr.read(), process.wait(timeout=60)) == (b'', 1)
  process.stderr.close()
