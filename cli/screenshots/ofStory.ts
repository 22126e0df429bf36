import { rm } from 'node:fs/promises';
import { emptyQueries, queryCount } from '../../dashboards/reading.ts';
import type { Recording } from '../../report/recording.ts';
import { Camera, NoBrowser } from './browser.ts';
import { MOST_PAGES, rangeOfRun, takeConsole, takeDashboards } from './take.ts';

export interface StoryPictureOptions {
  directory: string;
  /** Base URLs. */
  console: string;
  prometheus: string;
  say: (text: string) => void;
  signal: AbortSignal;
}

/** Live pictures delay the story by that at most, a phase. Seconds. */
const LONGEST_LIVE = 20;
const LONGEST_FULLEST = 60;
const LONGEST_DASHBOARDS = 180;
/** The phase after which every page of the console has something to show, and the machine a processor for the browser. */
const FULLEST = 'peak-after-short-term';

/**
 * The story's own pictures. The console is taken at the end of each phase, between two measurements; the dashboards
 * are drawn at the end, from what Prometheus kept, when there is nothing left to disturb. A picture that cannot be
 * taken is said once, and is no reason for the story to fail.
 */
export class StoryPictures implements AsyncDisposable {
  readonly #options: StoryPictureOptions;
  /** Stays open from one phase to the next: under the peak a browser takes longer to start than a picture. */
  #camera: Camera | undefined;
  #phases = 0;
  #gaveUp = false;

  constructor(options: StoryPictureOptions) {
    this.#options = options;
  }

  /** Runs `work` with a camera, for so many seconds at most. */
  async #with(seconds: number, work: (camera: Camera, signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.#gaveUp) return;
    const { directory, signal, say } = this.#options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
    // Whatever the browser is at, closing it ends it.
    const end = () => void this.#close();
    limit.addEventListener('abort', end, { once: true });
    try {
      this.#camera ??= await Camera.open(directory);
      limit.throwIfAborted();
      await work(this.#camera, limit);
    } catch (error) {
      await this.#close();
      if (signal.aborted) return;
      this.#gaveUp = error instanceof NoBrowser;
      const why = limit.aborted ? `${seconds} s were not enough` : (error as Error).message.split('\n')[0];
      say(this.#gaveUp ? `  No pictures: ${why}` : `  Some pictures were not taken: ${why}`);
    } finally {
      limit.removeEventListener('abort', end);
    }
  }

  [Symbol.asyncDispose]() {
    return this.#close();
  }

  async #close(): Promise<void> {
    const camera = this.#camera;
    this.#camera = undefined;
    await camera?.close();
  }

  /** The console as it is at the end of a phase. */
  async phaseEnded(name: string): Promise<void> {
    // Pictures of an earlier run would be taken for this one's.
    if (this.#phases === 0)
      await rm(this.#options.directory, { recursive: true, force: true }).catch(() => {});
    this.#phases += 1;
    const prefix = `${String(this.#phases).padStart(2, '0')}-${name}`;
    const [seconds, most] = name === FULLEST ? [LONGEST_FULLEST, MOST_PAGES] : [LONGEST_LIVE, 1];
    await this.#with(seconds, (camera) => takeConsole(camera, this.#options.console, prefix, most));
  }

  /** Every dashboard in each phase, and whether any panel stayed empty over the whole run. */
  async finish(recording: Recording): Promise<void> {
    const { prometheus, directory, say } = this.#options;
    const range = rangeOfRun(recording);
    if (!range) return;
    await emptyQueries(prometheus, range).then(
      (empty) =>
        say(
          empty.length === 0
            ? `  Dashboards: ${queryCount} queries, each with data from this run`
            : `  Dashboards: ${empty.length} of ${queryCount} queries gave nothing: ${empty.join('; ')}`,
        ),
      (error: Error) => say(`  Dashboards could not be read: ${error.message}`),
    );
    await this.#with(LONGEST_DASHBOARDS, async (camera, signal) => {
      await takeDashboards(camera, recording, prometheus, signal);
      say(`  Pictures of the dashboards in each phase: ${directory}`);
    });
    await this.#close();
  }
}
