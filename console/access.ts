import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { Request, RequestHandler } from 'express';
import { BadRequest } from './problem.ts';

/**
 * Against DNS rebinding: a page of another site that has its own name resolve to this address must not read what
 * is here. An IP address or a name without a dot (localhost, a container's name) cannot be such a name.
 */
export function allowHosts(allowed: readonly string[]): RequestHandler {
  return (request, _response, next) => {
    const host = (request.hostname ?? '').toLowerCase();
    const bare = host.replace(/^\[|\]$/g, '');
    if (host !== '' && (isIP(bare) || !host.includes('.') || allowed.includes(host))) return next();
    throw new BadRequest(
      `The host ${host || '(none)'} is not allowed; name it in CONSOLE_ALLOWED_HOSTS.`,
      421,
    );
  };
}

/** Nothing is loaded from elsewhere, nothing inline runs, no other page frames this one. */
export const secureHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'Content-Security-Policy':
      "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  next();
};

// Digests are of one length, so that the comparison tells nothing about the token's.
const digest = (value: string) => createHash('sha256').update(value).digest();

export const bearerOf = (request: Request): string | undefined =>
  /^Bearer +(.+)$/i.exec(request.get('authorization') ?? '')?.[1];

/** @param variable where the token is set; named in the answer */
export function demandToken(token: string, variable: string): RequestHandler {
  const wanted = digest(token);
  return (request, response, next) => {
    const given = bearerOf(request);
    if (given !== undefined && timingSafeEqual(digest(given), wanted)) return next();
    response.set('WWW-Authenticate', 'Bearer realm="sqltrail"');
    throw new BadRequest(`Send "Authorization: Bearer …" with the value of ${variable}.`, 401);
  };
}
