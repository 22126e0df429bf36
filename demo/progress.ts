/** Lets a text through when it is about something else than the last, or the last one was long enough ago. */
export function seldom(everyMs: number, now = Date.now): (text: string) => boolean {
  let told = { about: '', at: Number.NEGATIVE_INFINITY };
  return (text) => {
    const [about = ''] = text.split(':');
    if (about === told.about && now() - told.at < everyMs) return false;
    told = { about, at: now() };
    return true;
  };
}
