import { expect, it } from 'vitest';
import { warnLogger } from './warnLogger.ts';

it('writes one line of what happened, the same once a minute, and nothing that is not a warning', () => {
  const lines: string[] = [];
  const logger = warnLogger((line) => lines.push(line));
  const refused = JSON.stringify({
    stack: 'Error: connect ECONNREFUSED 127.0.0.1:4318\n    at TCPConnectWrap',
    message: 'connect ECONNREFUSED 127.0.0.1:4318',
    code: 'ECONNREFUSED',
    name: 'Error',
  });
  logger.error(refused);
  logger.error(refused);
  logger.error(JSON.stringify({ message: '', code: 'ECONNREFUSED', name: 'AggregateError' }));
  logger.warn('{ is no JSON');
  logger.warn('{"a":1}');
  logger.info('nothing');
  expect(lines).toEqual([
    'telemetry: Error: connect ECONNREFUSED 127.0.0.1:4318\n',
    'telemetry: ECONNREFUSED\n',
    'telemetry: { is no JSON\n',
    'telemetry: {"a":1}\n',
  ]);
});
