import type { AssumptionName } from '../assumptions.ts';
import { answers, type WhatIf } from './answers.ts';

/** Runs in the page: sliders and number fields are one value each, and every answer follows from all of them. */
const given = JSON.parse(document.getElementById('given')?.textContent ?? '') as WhatIf;

const fields = [...document.querySelectorAll<HTMLInputElement>('input[type=number]')];
const sliderOf = (field: HTMLInputElement) =>
  document.querySelector<HTMLInputElement>(`input[type=range][data-of="${field.name}"]`);
function put(field: HTMLInputElement, value: string): void {
  field.value = value;
  const slider = sliderOf(field);
  if (slider) slider.value = value;
}

function show(): void {
  // What nobody touched has all its digits, not those of its field.
  const different = fields.filter(({ value, defaultValue }) => value !== defaultValue);
  const changed = Object.fromEntries(different.map(({ name, valueAsNumber }) => [name, valueAsNumber]));
  const { bytesPerDay = given.bytesPerDay, ...assumptions } = changed;
  const assumed = { ...given.likely, ...assumptions };
  const faulty = fields.filter((field) => !field.checkValidity() || Number.isNaN(field.valueAsNumber));
  for (const field of fields) field.ariaInvalid = String(faulty.includes(field));
  const error = document.getElementById('fault');
  if (error)
    error.textContent =
      faulty.length > 0
        ? `${faulty.map(({ name }) => given.titles[name as AssumptionName] ?? name).join(', ')}: not a number that can be; the answers are those of before.`
        : '';
  if (faulty.length > 0) return;
  const told = answers(given, assumed, bytesPerDay);
  for (const place of document.querySelectorAll<HTMLElement>('[data-answer]'))
    place.textContent = told.texts[place.dataset['answer'] ?? ''] ?? '';
  for (const bar of document.querySelectorAll<HTMLElement>('[data-bar]'))
    bar.style.width = `${100 * (told.bars[bar.dataset['bar'] ?? ''] ?? 0)}%`;
  // A link to this page with the same numbers.
  history.replaceState(
    null,
    '',
    different.length > 0 ? `#${new URLSearchParams(different.map(({ name, value }) => [name, value]))}` : '#',
  );
}

for (const field of fields) {
  const slider = sliderOf(field);
  field.addEventListener('input', () => {
    // Not its own value too, which may be half written.
    if (slider) slider.value = field.value;
    show();
  });
  slider?.addEventListener('input', () => {
    put(field, slider.value);
    show();
  });
}
document.getElementById('likely')?.addEventListener('click', () => {
  for (const field of fields) put(field, field.defaultValue);
  show();
});
for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
  const field = fields.find((each) => each.name === name);
  if (field) put(field, value);
}
show();
