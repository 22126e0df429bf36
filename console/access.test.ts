import type { Request, Response } from 'express';
import { expect, it } from 'vitest';
import { allowHosts } from './access.ts';

const allowed = (hostname: string) => {
  let passed = false;
  try {
    allowHosts(['console.example.com'])({ hostname } as Request, {} as Response, () => {
      passed = true;
    });
  } catch {}
  return passed;
};

it.each(['localhost', 'console', '127.0.0.1', '[::1]', 'console.example.com', 'CONSOLE.example.com'])(
  'lets %s in',
  (host) => expect(allowed(host)).toBe(true),
);
it.each(['', 'evil.example', 'console.example.com.evil.example', '127.0.0.1.evil.example'])(
  'keeps "%s" out',
  (host) => expect(allowed(host)).toBe(false),
);
