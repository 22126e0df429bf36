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

/**
 * Spans of an ExportTraceServiceRequest, by their ids: resource_spans = 1, scope_spans = 2, spans = 2, in which span_id
 * = 2 and name = 5; nothing else is decoded. Waits for a connection are left out: how many there are is not known.
 */
export function* spanIds(body: Buffer): Generator<string> {
  for (const resource of payloads(body, 1))
    for (const scope of payloads(resource, 2))
      for (const span of payloads(scope, 2)) {
        const [id, name] = [payloads(span, 2).next().value, payloads(span, 5).next().value];
        if (id && name?.toString() !== 'pool.acquire') yield id.toString('hex');
      }
}
