/** A source that the console reads (Prometheus, Alertmanager, Postgres, Tempo) gave no usable answer. */
export class SourceUnavailable extends Error {
  readonly source: string;
  /** What the reader can do about it. */
  readonly nextStep: string;

  constructor(source: string, detail: string, nextStep: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'SourceUnavailable';
    this.source = source;
    this.nextStep = nextStep;
  }
}

/** A request that cannot be answered as it was asked. */
export class BadRequest extends Error {
  readonly status: number;

  constructor(message: string, status = 400) {
    super(message);
    this.name = 'BadRequest';
    this.status = status;
  }
}

/** RFC 9457. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
  /** Which source is unavailable, for a 502. */
  source?: string;
  nextStep?: string;
}

const titles: Record<number, string> = {
  401: 'Token missing or wrong',
  403: 'Not allowed from there',
  404: 'Not found',
  409: 'Not now',
  413: 'Too large',
  415: 'Wrong content type',
  421: 'Host not allowed',
  503: 'Too busy',
};

export function toProblem(error: unknown): Problem {
  if (error instanceof SourceUnavailable)
    return {
      title: `${error.source} is not available`,
      status: 502,
      detail: error.message,
      source: error.source,
      nextStep: error.nextStep,
    };
  if (error instanceof BadRequest)
    return {
      title: titles[error.status] ?? 'Bad request',
      status: error.status,
      detail: error.message,
    };
  const status = (error as { status?: unknown }).status;
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { title: 'Bad request', status, detail: (error as Error).message };
  return { title: 'Internal error', status: 500, detail: 'The console failed; its log has the cause.' };
}
