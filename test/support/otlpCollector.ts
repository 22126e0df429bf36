import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as a collector receives it. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** Empty for a root. */
  parentId: string;
  name: string;
  attributes: Record<string, unknown>;
  resource: Record<string, unknown>;
  status: { code: number; message: string };
}

type Fields = Map<number, (Buffer | bigint)[]>;

/** The fields of a protobuf message by their number, as they are on the wire. */
function fieldsOf(message: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = Number(varint());
    const wire = key & 7;
    const value = wire === 0 ? varint() : take(wire === 1 ? 8 : wire === 5 ? 4 : Number(varint()));
    const number = key >> 3;
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}
const messages = (fields: Fields, number: number) => (fields.get(number) ?? []) as Buffer[];
const text = (fields: Fields, number: number) => messages(fields, number)[0]?.toString() ?? '';
const hex = (fields: Fields, number: number) => messages(fields, number)[0]?.toString('hex') ?? '';

/** KeyValue messages; of values only texts, numbers and flags. */
const attributesOf = (fields: Fields, number: number) =>
  Object.fromEntries(
    messages(fields, number).map((message) => {
      const pair = fieldsOf(message);
      const value = fieldsOf(messages(pair, 2)[0] ?? Buffer.alloc(0));
      const [kind = 0, [first] = []] = [...value][0] ?? [];
      return [
        text(pair, 1),
        kind === 1
          ? String(first)
          : kind === 4
            ? (first as Buffer).readDoubleLE()
            : kind === 5
              ? '[]'
              : Number(first),
      ];
    }),
  );

/** What an OTLP/HTTP request in protobuf (opentelemetry/proto/trace/v1/trace.proto) holds. */
export function decodeSpans(body: Buffer): ReceivedSpan[] {
  return messages(fieldsOf(body), 1).flatMap((resourceSpans) => {
    const of = fieldsOf(resourceSpans);
    const resource = attributesOf(fieldsOf(messages(of, 1)[0] ?? Buffer.alloc(0)), 1);
    return messages(of, 2).flatMap((scopeSpans) =>
      messages(fieldsOf(scopeSpans), 2).map((span) => {
        const fields = fieldsOf(span);
        const status = fieldsOf(messages(fields, 15)[0] ?? Buffer.alloc(0));
        return {
          traceId: hex(fields, 1),
          spanId: hex(fields, 2),
          parentId: hex(fields, 4),
          name: text(fields, 5),
          attributes: attributesOf(fields, 9),
          resource,
          status: { code: Number(status.get(3)?.[0] ?? 0), message: text(status, 2) },
        };
      }),
    );
  });
}

/** A collector that keeps the spans that it is sent, and where it was sent them. */
export async function startCollector() {
  const spans: ReceivedSpan[] = [];
  const requests: { url: string | undefined; headers: NodeJS.Dict<string | string[]> }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    requests.push({ url: request.url, headers: request.headers });
    if (request.url?.endsWith('/v1/traces')) spans.push(...decodeSpans(Buffer.concat(chunks)));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
