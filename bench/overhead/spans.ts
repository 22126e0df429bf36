/** Payloads of the messages of a protobuf field, of those with a length; others are passed over. */
function* payloads(message: Buffer, wanted: number): Generator<Buffer> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    if ((key & 7) === 0) varint();
    else {
      const length = (key & 7) === 1 ? 8 : (key & 7) === 5 ? 4 : varint();
      if (key >>> 3 === wanted) yield message.subarray(at, at + length);
      at += length;
    }
  }
}

/** Spans of an ExportTraceServiceRequest: resource_spans = 1, scope_spans = 2, spans = 2; nothing else is decoded. */
export function countSpans(body: Buffer): number {
  let count = 0;
  for (const resource of payloads(body, 1))
    for (const scope of payloads(resource, 2)) for (const _ of payloads(scope, 2)) count += 1;
  return count;
}
