const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export const escapeHtml = (value: unknown) =>
  String(value).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');

/** Markup that may be put into a page as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const put = (value: unknown): string =>
  value instanceof Html
    ? value.text
    : Array.isArray(value)
      ? value.map(put).join('')
      : value === false
        ? ''
        : escapeHtml(value ?? '');

/** Template tag: everything that is put in is escaped, unless it came from `html` itself. */
export const html = (strings: TemplateStringsArray, ...values: unknown[]) =>
  new Html(strings.map((text, at) => text + (at < values.length ? put(values[at]) : '')).join(''));
