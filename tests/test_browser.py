"""The page of a study in a real browser; skips where there is none.

pip install '.[browser]' && apt-get install -y chromium chromium-driver
"""

import re
import shutil

import pytest

from elth_jax import datasets
from elth_jax.report import results, write_report
from elth_jax.runner import session
from elth_jax.study import data
from elth_jax.study.config import base_config
from elth_jax.study.graph import build
from elth_jax.study.spec import read_config
from elth_jax.training.recipe import Recipe
from elth_jax.workdir.store import Store
from tests.conftest import make_dataset

webdriver = pytest.importorskip(
  'selenium.webdriver',
  reason="selenium is not installed: pip install '.[browser]'",
)
axe_core = pytest.importorskip(
  'axe_core_python.selenium',
  reason="axe-core is not installed: pip install '.[browser]'",
)
WebDriverWait = pytest.importorskip(
  'selenium.webdriver.support.wait'
).WebDriverWait
exceptions = pytest.importorskip('selenium.common.exceptions')
pytestmark = pytest.mark.slow

WIDTHS = 360, 800, 2000
BROWSERS = (
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
)
OPTIONS = (
  '--headless=new',
  '--no-sandbox',  # as root, in a container
  '--disable-gpu',
  '--disable-dev-shm-usage',
)
A4 = {'paperWidth': 8.27, 'paperHeight': 11.69}  # inches


def config(**values):
  return base_config(
    dataset='tiny',
    sources=('mlp2',),
    targets=('mlp3', 'mlp4'),
    methods=('imp', 'ett', 'reinit', 'dense_longer'),
    width=6,
    levels=6,
    compare_levels=tuple(range(1, 7)),  # a wide table of results
    replicates=2,
    recipe=Recipe(batch_size=8, epochs=2, rewind_step=2, flip=False),
    **values,
  )


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(
      datasets.DATASETS, 'tiny', datasets.DatasetEntry(make_dataset)
    )
    folder = tmp_path_factory.mktemp('study')
    assert session.run(config(), folder)
  return folder


@pytest.fixture(scope='module')
def started():
  """A browser without a window, and its log."""
  browser = next(filter(None, map(shutil.which, BROWSERS)), None)
  driver = shutil.which('chromedriver')
  if not (browser and driver):
    pytest.skip('no browser here: apt-get install -y chromium chromium-driver')
  options = webdriver.ChromeOptions()
  options.binary_location = browser
  for option in OPTIONS:
    options.add_argument(option)
  options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
  service = webdriver.ChromeService(driver)
  chrome = webdriver.Chrome(options=options, service=service)
  chrome.set_script_timeout(300)  # axe is slow beside other work
  yield chrome
  chrome.quit()


@pytest.fixture
def browser(started, workdir):
  """The same, with the page open, 1,200 pixels wide and light."""
  show(started)
  started.get((workdir / 'report.html').as_uri())
  yield started
  assert not started.get_log('browser')


def show(browser, width=1200, scheme='light', medium='screen'):
  browser.execute_cdp_cmd(
    'Emulation.setDeviceMetricsOverride',
    {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': False},
  )
  browser.execute_cdp_cmd(
    'Emulation.setEmulatedMedia',
    {
      'media': medium,
      'features': [{'name': 'prefers-color-scheme', 'value': scheme}],
    },
  )


def find(browser, query):
  return browser.find_elements('css selector', query)


def column(browser, table, number):
  """The texts of a column's cells that are shown."""
  return browser.execute_script(
    'return [...document.querySelectorAll(arguments[0] + " tbody tr")]'
    '.filter((row) => !row.hidden)'
    '.map((row) => row.cells[arguments[1]].textContent)',
    table,
    number,
  )


@pytest.mark.parametrize('width', WIDTHS)
def test_the_body_never_scrolls_sideways(browser, width):
  show(browser, width)
  for element in find(browser, 'details'):
    browser.execute_script('arguments[0].open = true', element)
  wide, there = browser.execute_script(
    'return [document.documentElement.scrollWidth, innerWidth]'
  )
  assert there == width and wide <= width


@pytest.mark.parametrize('width', WIDTHS)
def test_texts_of_figures_can_be_read(browser, width):
  show(browser, width)
  sizes = browser.execute_script(
    'return [...document.querySelectorAll("svg text")]'
    '.map((text) => text.getBoundingClientRect())'
    '.map((box) => Math.min(box.width, box.height)).filter((size) => size)'
  )
  assert len(sizes) > 20 and min(sizes) >= 5  # of the box of one digit
  heights = browser.execute_script(
    'return [...document.querySelectorAll(".panel text:not([transform])")]'
    '.map((text) => text.getBoundingClientRect().height)'
    '.filter((height) => height)'
  )
  assert min(heights) >= 10


@pytest.mark.parametrize(
  ('width', 'scheme'), [*((w, 'light') for w in WIDTHS), (800, 'dark')]
)
def test_axe_finds_nothing_serious(browser, width, scheme):
  show(browser, width, scheme)
  for element in find(browser, 'details'):
    browser.execute_script('arguments[0].open = true', element)
  found = axe_core.Axe().run(browser)
  assert len(found['passes']) > 20
  serious = [
    (
      one['id'],
      one['impact'],
      [node['html'][:150] for node in one['nodes'][:3]],
    )
    for one in found['violations']
    if one['impact'] in ('serious', 'critical', 'moderate')
  ]
  assert not serious


def test_marks_tell_their_values_to_mouse_and_keyboard(browser):
  points = find(browser, '.whole-view a.pt')
  assert len(points) > 40
  tip = find(browser, '#tip')[0]
  assert not tip.is_displayed()
  browser.execute_script('arguments[0].scrollIntoView()', points[5])
  webdriver.ActionChains(browser).move_to_element(points[5]).perform()
  assert tip.is_displayed()
  assert re.search(r'MLP-\d\n.*sparsity, level \d\naccuracy \d', tip.text)
  webdriver.ActionChains(browser).send_keys('\ue00c').perform()  # Escape
  assert not tip.is_displayed()
  browser.execute_script('arguments[0].focus()', points[9])
  assert tip.is_displayed() and tip.text != ''


def test_a_mark_leads_to_its_runs(browser, workdir):
  point = find(browser, '.whole-view a.pt')[3]
  browser.execute_script(
    'arguments[0].dispatchEvent(new MouseEvent("click", {bubbles: true}))',
    point,
  )
  (row,) = find(browser, 'tr:target')
  assert row.is_displayed()
  links = row.find_elements('css selector', 'a')
  assert [link.text for link in links] == [
    'result',
    'network',
    'manifest',
    'ticket',
  ]
  for link in links:
    assert (workdir / link.get_dom_attribute('href')).is_file()


def test_the_legend_hides_a_method_everywhere(browser):
  button = next(
    one for one in find(browser, '.legend button') if 'ETT' in one.text
  )
  number = button.get_attribute('data-toggle')
  lines = find(browser, f'.whole-view [data-series="{number}"]')
  assert len(lines) == 2 and all(line.is_displayed() for line in lines)
  button.click()
  assert button.get_attribute('aria-pressed') == 'false'
  assert not any(line.is_displayed() for line in lines)
  button.click()
  assert all(line.is_displayed() for line in lines)


def test_the_close_view_takes_the_place_of_the_whole(browser):
  whole, close = (
    find(browser, f'.{name}-view')[0] for name in ('whole', 'close')
  )
  assert whole.is_displayed() and not close.is_displayed()
  find(browser, '.show-close')[0].click()
  assert close.is_displayed() and not whole.is_displayed()


def test_tables_sort_by_number(browser):
  assert len(set(column(browser, '#headline', 4))) > 3
  heads = find(browser, '#headline thead th button')
  difference = next(head for head in heads if 'difference' in head.text)
  for up in (True, False):
    difference.click()
    texts = column(browser, '#headline', 4)
    values = [float(t.split()[0].replace('\u2212', '-')) for t in texts]
    assert values == sorted(values, reverse=not up)
  cell = difference.find_element('xpath', '..')
  assert cell.get_attribute('aria-sort') == 'descending'


def test_tables_filter_by_words(browser):
  browser.execute_script(
    'document.querySelector("#runs-table").closest("details").open = true'
  )
  every = column(browser, '#runs-table', 1)
  box = find(browser, '[data-table=runs-table]')[0]
  box.send_keys('mlp-3 reinit')
  assert set(column(browser, '#runs-table', 1)) == {'Reinit'} < set(every)
  assert set(column(browser, '#runs-table', 0)) == {'MLP-3'}
  output = find(browser, '.filter output')[-1]
  assert output.text == f'12 of {len(every)}'


def test_paper_loses_no_column(browser):
  show(browser, round(96 * (A4['paperWidth'] - 2 * 14 / 25.4)), medium='print')
  for element in find(browser, 'details'):
    browser.execute_script('arguments[0].open = true', element)
  beyond = browser.execute_script(
    'const width = document.documentElement.clientWidth + 1;'
    'return [...document.querySelectorAll("table, th, td, svg, pre")]'
    '.filter((e) => e.getBoundingClientRect().right > width)'
    '.map((e) => e.outerHTML.slice(0, 90))'
  )
  assert beyond == []
  heads = find(browser, 'table.wide thead th')
  assert len(heads) > 10 and all(head.is_displayed() for head in heads)
  printed = browser.execute_cdp_cmd('Page.printToPDF', A4)
  assert len(printed['data']) > 10_000


def test_dark_pages_are_dark(browser):
  script = 'return getComputedStyle(document.body).backgroundColor'
  assert browser.execute_script(script) == 'rgb(255, 255, 255)'
  show(browser, scheme='dark')
  assert browser.execute_script(script) == 'rgb(21, 24, 28)'


def test_nothing_is_loaded_from_elsewhere(browser):
  loaded = browser.execute_script(
    'return performance.getEntriesByType("resource").map((e) => e.name)'
  )
  assert [name for name in loaded if not name.startswith('data:')] == []


@pytest.fixture
def unfinished(workdir, tmp_path, monkeypatch):
  """A copy of the study, with the page of its first half."""
  entry = datasets.DatasetEntry(make_dataset)
  monkeypatch.setitem(datasets.DATASETS, 'tiny', entry)
  folder = shutil.copytree(workdir, tmp_path / 'copy')
  spec, _ = read_config(config())
  nodes = build(spec, data.load(spec))
  store, done = Store(folder), list(nodes)[: len(nodes) // 2]
  rows = results.of_targets(results.collect(nodes, store, done), spec)
  write_report(store, spec, nodes, rows, {}, done=done)
  return folder


def test_the_page_of_a_running_study_loads_itself_again(started, unfinished):
  show(started)
  started.get((unfinished / 'report.html').as_uri())
  (banner,) = find(started, '.banner')
  assert 'This study is not finished' in banner.text
  assert re.search(r'\d+ of 112 training runs are done \(\d+%\)', banner.text)
  done = find(started, 'progress')[0]
  assert 0 < int(done.get_attribute('value')) < int(done.get_attribute('max'))
  page = unfinished / 'report.html'
  fast = re.sub('data-reload="[0-9]+"', 'data-reload="1"', page.read_text())
  page.write_text(fast)
  started.refresh()
  page.write_text(fast.replace('<h1>', '<h1>Newer: '))
  # an element may be gone with the page that it was found on
  wait = WebDriverWait(
    started, 10, ignored_exceptions=[exceptions.WebDriverException]
  )
  wait.until(lambda _: find(started, 'h1')[0].text.startswith('Newer'))
  find(started, '.banner input')[0].click()  # it stays as it is
  assert not started.get_log('browser')


def test_a_finished_page_stays(browser):
  assert not find(browser, '[data-reload]')
