/** Words of a command line before version 0.2, as they are today; the very same array where they are today's. */
export function today(words: string[]): string[] {
  const [first, second, ...rest] = words;
  const after = words.slice(1);
  if (first === 'story') return ['demo', ...stage(after)];
  if (first === 'demo' && after.some((word) => /^(?:--until=)?relief$/.test(word)))
    return ['demo', ...stage(after)];
  if (first === 'model') return ['schema', ...after];
  if (first !== 'fix') return words;
  switch (second) {
    case 'short-term': {
      const left = rest.filter((word) => word !== '--dry-run');
      const isPlan = left.length < rest.length || left.includes('--json') || !left.includes('--yes');
      return ['fix', isPlan ? 'plan' : 'apply', ...(isPlan ? left.filter((word) => word !== '--yes') : left)];
    }
    case 'rewrite':
      return ['rewrite', ...rest];
    case 'undo':
      return ['fix', 'revert', ...rest];
    case 'medium-term':
      return ['migrate', ...mediumTerm(rest)];
    default:
      return words;
  }
}

/** `--until relief` is `--until mitigation`. */
const stage = (words: string[]) => words.map((word) => word.replace(/^(--until=)?relief$/, '$1mitigation'));

function mediumTerm(words: string[]): string[] {
  const without = (...flags: string[]) => words.filter((word) => !flags.includes(word));
  const valueAfter = (flag: string) =>
    words.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1) ??
    (words.includes(flag) ? words[words.indexOf(flag) + 1] : undefined);
  const withoutValue = (flag: string) =>
    words.filter((word, at) => word !== flag && words[at - 1] !== flag && !word.startsWith(`${flag}=`));
  if (words.includes('--status')) return ['status', ...without('--status')];
  if (words.includes('--verify')) return ['verify', ...without('--verify')];
  const to = valueAfter('--rollback-to');
  if (to !== undefined) return ['rollback', ...withoutValue('--rollback-to'), '--to', to];
  if (valueAfter('--until') === 'contract') return ['complete', ...withoutValue('--until')];
  return ['start', ...words];
}
