'use strict';
// hover values, a legend that toggles, tables that sort and filter, reloading
const all = (query, within = document) => [...within.querySelectorAll(query)];

const tip = document.createElement('div');
tip.id = 'tip';
tip.hidden = true;
tip.setAttribute('role', 'tooltip');
document.body.append(tip);

function showTip(point) {
  tip.textContent = point.getAttribute('aria-label').replaceAll('; ', '\n');
  tip.hidden = false;
  const at = point.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const left = Math.min(at.right + 6, width - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  const above = at.top - tip.offsetHeight - 6;
  tip.style.top = `${(above > 0 ? above : at.bottom + 6) + scrollY}px`;
}

for (const point of all('.pt')) {
  for (const name of ['pointerenter', 'focus']) {
    point.addEventListener(name, () => showTip(point));
  }
  for (const name of ['pointerleave', 'blur']) {
    point.addEventListener(name, () => { tip.hidden = true; });
  }
}
addEventListener('keydown', (event) => {
  if (event.key === 'Escape') tip.hidden = true;
});

for (const button of all('.legend button[data-toggle]')) {
  button.addEventListener('click', () => {
    const shown = button.getAttribute('aria-pressed') !== 'true';
    for (const same of all(`[data-toggle="${button.dataset.toggle}"]`)) {
      same.setAttribute('aria-pressed', shown);
    }
    for (const line of all(`[data-series="${button.dataset.toggle}"]`)) {
      line.classList.toggle('off', !shown);
    }
  });
}

function valueOf(row, column) {
  const cell = row.cells[column];
  const text = cell?.dataset.value ?? cell?.textContent.trim() ?? '';
  const number = parseFloat(text.replace('\u2212', '-'));
  return Number.isNaN(number) ? text : number;
}

function compare(one, other) {
  if (typeof one === typeof other) {
    return typeof one === 'number' ? one - other : one.localeCompare(other);
  }
  return typeof one === 'number' ? -1 : 1; // numbers before words
}

function sort(head) {
  const up = head.getAttribute('aria-sort') !== 'ascending';
  for (const other of head.parentElement.cells) {
    other.removeAttribute('aria-sort');
  }
  head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
  const body = head.closest('table').tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, head.cellIndex), row]);
  rows.sort((a, b) => (up ? 1 : -1) * compare(a[0], b[0]));
  body.append(...rows.map(([, row]) => row));
}

for (const head of all('table.sortable thead th')) {
  if (!head.textContent.trim() || head.classList.contains('plot')) continue;
  const button = document.createElement('button');
  button.type = 'button';
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener('click', () => sort(head));
}

function filter(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = all('tbody tr', document.getElementById(input.dataset.table));
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  const count = input.closest('.filter').querySelector('output');
  count.textContent = words.length ? `${shown} of ${rows.length}` : '';
}
for (const input of all('.filter input')) {
  input.addEventListener('input', () => filter(input));
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  for (const input of all('.filter input')) {
    if (input.value) {
      input.value = '';
      filter(input);
    }
  }
  const closed = target.closest('details');
  if (closed) closed.open = true;
  target.scrollIntoView({block: 'center'});
}
addEventListener('hashchange', openTarget);
openTarget();

const banner = document.querySelector('[data-reload]');
if (banner) {
  const pause = banner.querySelector('input');
  setInterval(() => {
    if (pause.checked) location.reload();
  }, 1000 * Number(banner.dataset.reload));
}
