/**
 * Tells how a promise ends. What the caller gets is of the library that made the promise, and unhandled when the caller
 * does not handle it.
 */
export const observedPromise = <T>(
  promise: PromiseLike<T>,
  onValue: (value: T) => void,
  onError: (error: unknown) => void,
): Promise<T> =>
  promise.then(
    (value) => {
      onValue(value);
      return value;
    },
    (error) => {
      onError(error);
      throw error;
    },
  ) as Promise<T>;
