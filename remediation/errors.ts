/** An action cannot be done, or was stopped; the message names the cause and the next step. */
export class RemediationError extends Error {}
