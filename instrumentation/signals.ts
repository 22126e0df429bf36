/**
 * Lets a process that handles no signal end by it as it would without this, yet only after `flush`.
 *
 * Somebody must listen, for an unhandled signal ends the process at once. But a listener changes the application: one
 * that waits to be the last (the package signal-exit counts them) would wait for ever. So this one is there only as
 * long as no other is: it goes when the application adds its own, which then behaves as if alone, and comes back when
 * the last of them is removed.
 *
 * @param flush must settle by itself; the signal is raised again then
 */
export function endBySignal(signal: NodeJS.Signals, flush: () => Promise<void>): void {
  const present = () => process.listeners(signal).includes(onSignal);
  const others = () => process.listenerCount(signal) - (present() ? 1 : 0);
  function onSignal() {
    void flush().finally(() => {
      process.off('newListener', onAdded);
      process.off('removeListener', onRemoved);
      process.off(signal, onSignal);
      // Whoever has begun to listen meanwhile gets it now.
      process.kill(process.pid, signal);
    });
  }
  const settle = () => {
    if (others() > 0) process.off(signal, onSignal);
    else if (!present()) process.on(signal, onSignal);
  };
  function onAdded(event: string | symbol, listener: unknown) {
    // The event comes before the listener is there. No signal is delivered before the tick is over.
    if (event === signal && listener !== onSignal) process.nextTick(settle);
  }
  function onRemoved(event: string | symbol) {
    // At once, for a handler that removes itself to raise the signal again does both in one go.
    if (event === signal) settle();
  }
  process.on('newListener', onAdded);
  process.on('removeListener', onRemoved);
  settle();
}
