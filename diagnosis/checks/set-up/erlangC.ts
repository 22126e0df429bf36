/**
 * Probability that a request finds all `servers` busy, for `load` mean busy servers: Erlang's C formula (Erlang 1917),
 * by the recurrence of Erlang B. 1 when the load is not less than the servers.
 */
export function erlangC(servers: number, load: number): number {
  if (load >= servers) return 1;
  let blocking = 1;
  for (let n = 1; n <= servers; n += 1) blocking = (load * blocking) / (n + load * blocking);
  return blocking / (1 - (load / servers) * (1 - blocking));
}
