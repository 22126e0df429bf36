const isPlain = (value: object) =>
  [Object.prototype, null].includes(Object.getPrototypeOf(value) as typeof Object.prototype | null);

/**
 * Whether values that a statement was given take at most so many bytes on their way to the server, about. Looks at no more
 * of them than that, and calls nothing of the application's.
 */
export function takeAtMost(values: unknown, bytes: number): boolean {
  let left = bytes;
  const take = (value: unknown): boolean => {
    left -= 8;
    if (typeof value === 'string') left -= value.length;
    else if (ArrayBuffer.isView(value)) left -= value.byteLength;
    else if (Array.isArray(value)) return left >= 0 && value.every(take);
    else if (typeof value === 'object' && value !== null && isPlain(value))
      for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
        left -= name.length;
        if (left < 0 || !take(property.value)) return false;
      }
    return left >= 0;
  };
  return take(values);
}
