import type { IncomingMessage, ServerResponse } from 'node:http';
import { context, type Span } from '@opentelemetry/api';
import { getRPCMetadata, type RPCMetadata } from '@opentelemetry/core';
import { InstrumentationBase, InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';

/** Where a request is in the routers, and what its span is told of it. */
interface Place {
  /** Paths of the layers around, as they were given: `/api/customers/:id`. */
  mounted: string;
}

type Next = (error?: unknown) => void;
type Handle = (request: IncomingMessage, response: ServerResponse, next: Next) => unknown;
interface Layer {
  handle: Handle;
}
interface Router {
  stack: Layer[];
}
type Add = (this: Router, ...args: unknown[]) => unknown;
type Prototype = { use: Add; route: Add; [ORIGINAL]?: { use: Add; route: Add } };
/** Express 4 keeps a router's methods on the function that makes it, Express 5 on its prototype. */
type RouterFunction = Prototype & { prototype?: Prototype };
type Exports = { Router: RouterFunction; default?: { Router: RouterFunction } };

const ORIGINAL = Symbol('sqltrail.express.router');
const methodsOf = (Router: RouterFunction): Prototype => (Router.prototype?.use ? Router.prototype : Router);
const places = new WeakMap<IncomingMessage, Place>();
const placesOf = new WeakMap<RPCMetadata, Place>();

const isPath = (argument: unknown): boolean =>
  Array.isArray(argument) ? argument.length > 0 && isPath(argument[0]) : typeof argument !== 'function';

/** A layer's path as it was given; that of several is their list, of a pattern its source. */
const pathOf = (argument: unknown): string =>
  Array.isArray(argument)
    ? argument.flat(Infinity).map(pathOf).join(',')
    : typeof argument === 'string'
      ? argument.replace(/\/$/, '')
      : String(argument);

/** `next` of a layer: the request goes on behind it, so it is no longer in what the layer mounted. */
function leaving(place: Place, before: Place, metadata: RPCMetadata | undefined, next: Next): Next {
  const route = metadata?.route;
  return (error) => {
    place.mounted = before.mounted;
    // A failed request still belongs to the route that failed; one that was handed on belongs to who answers.
    if (metadata && (error === undefined || error === null || error === 'route' || error === 'router')) {
      if (route === undefined) delete metadata.route;
      else metadata.route = route;
    }
    next(error);
  };
}

/** The layer's handler, which notes where the request is while it is in there. */
function placed(handle: Handle, path: string, isRoute: boolean): Handle {
  return new Proxy(handle, {
    apply(target, self, [request, response, next]: [IncomingMessage, ServerResponse, Next]) {
      const place = places.get(request) ?? { mounted: '' };
      places.set(request, place);
      const before = { ...place };
      const metadata = getRPCMetadata(context.active());
      if (metadata) placesOf.set(metadata, place);
      const onward = leaving(place, before, metadata, next);
      const here = place.mounted + path;
      if (isRoute) {
        if (metadata) metadata.route = here || '/';
      } else place.mounted = here;
      return Reflect.apply(target, self, [request, response, onward]);
    },
  });
}

/**
 * `http.route` of a request: the path of the route that answered it behind those of all routers and applications around
 * it, as they were given, in Express 4 and 5. It is on the server's span and on those that start in the route.
 *
 * Not instrumentation-express, which loses the path of a layer or has it twice when it ignores layers (0.72).
 */
export class RouteInstrumentation extends InstrumentationBase {
  constructor() {
    super('sqltrail-routes', '0.2.0', {});
  }

  protected override init() {
    const routerOf = (module: Exports) => (module.default?.Router ? module.default : module).Router;
    return [
      new InstrumentationNodeModuleDefinition(
        'express',
        ['>=4 <6'],
        (module: Exports) => {
          patchRouter(routerOf(module));
          return module;
        },
        (module: Exports) => {
          const prototype = methodsOf(routerOf(module));
          Object.assign(prototype, prototype[ORIGINAL]);
          delete prototype[ORIGINAL];
        },
      ),
    ];
  }
}

/** Has every layer that is added from now on note where a request is. */
export function patchRouter(Router: RouterFunction): void {
  const prototype = methodsOf(Router);
  if (prototype[ORIGINAL]) return;
  const { use, route } = prototype;
  prototype[ORIGINAL] = { use, route };
  const adding = (original: Add, isRoute: boolean): Add =>
    function add(this: Router, ...args) {
      const from = this.stack?.length ?? 0;
      const result = original.apply(this, args);
      const path = isPath(args[0]) ? pathOf(args[0]) : '/';
      // A handler of errors is told by its four parameters, and is never in a route of its own.
      for (const layer of this.stack?.slice(from) ?? [])
        if (layer.handle.length <= 3) layer.handle = placed(layer.handle, path, isRoute);
      return result;
    };
  prototype.use = adding(use, false);
  prototype.route = adding(route, true);
}

/** Where a request is that a mounted handler answered, which is in no route: `app.use('/graphql', handler)`. */
export const mountedAt = (request: object): string | undefined =>
  places.get(request as IncomingMessage)?.mounted || undefined;

/** The same, while the request is there. */
export const mountOf = (metadata: RPCMetadata): string | undefined =>
  placesOf.get(metadata)?.mounted || undefined;

/** For HttpInstrumentation's `applyCustomAttributesOnSpan`: such a request gets the path of its mount as its route. */
export function addMountedRoute(span: Span, request: { method?: string | undefined }): void {
  const mounted = mountedAt(request);
  if (!mounted || (span as unknown as { attributes: Record<string, unknown> }).attributes['http.route'])
    return;
  span.setAttribute('http.route', mounted);
  span.updateName(`${request.method ?? 'GET'} ${mounted}`);
}
