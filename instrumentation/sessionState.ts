import type { SessionEffect } from './sessionEffects.ts';
import type { Statement } from './statement.ts';

/** More settings than this are not repeated. */
const MAX_SETTINGS = 20;
const NOTHING: readonly string[] = [];

/**
 * What a session differs in from a new one of the same connection parameters, by the statements that it was given. What
 * functions and triggers set unseen is not known here.
 */
class SessionState {
  /** Setting to the statement that set it. */
  #settings = new Map<string, string>();
  /** The settings within the open transaction; its end keeps or reverts them. */
  #open: Map<string, string> | undefined;
  /** Those of SET LOCAL, which end with the transaction. */
  readonly #local = new Map<string, string>();
  /** Whether the open transaction has changed a setting; the last one, once it is committed. */
  #changed = false;
  #failed = false;
  #unknown = false;

  /** Takes note of a statement when it is given to the client, which runs one after the other. */
  given(sql: string, { effects }: Statement): void {
    for (const effect of effects) this.#apply(effect, sql);
  }

  #apply(effect: SessionEffect, sql: string): void {
    const settings = this.#open ?? this.#settings;
    switch (effect.kind) {
      case 'set':
        // Outside of a transaction SET LOCAL has no effect.
        if (effect.local && !this.#open) return;
        (effect.local ? this.#local : settings).set(effect.name, sql);
        this.#changed = true;
        return;
      case 'reset':
        settings.delete(effect.name);
        this.#changed = true;
        return;
      case 'resetAll':
        for (const name of settings.keys())
          if (name !== 'role' && name !== 'session_authorization') settings.delete(name);
        this.#changed = true;
        return;
      case 'discard':
        this.#settings.clear();
        this.#unknown = false;
        return;
      case 'begin':
        if (!this.#open) this.#changed = this.#failed = false;
        this.#open ??= new Map(this.#settings);
        return;
      case 'commit':
        // Postgres rolls a failed transaction back instead, unless a savepoint has saved it.
        if (this.#failed && this.#changed) this.#unknown = true;
        else if (this.#open) this.#settings = this.#open;
        this.#end();
        return;
      case 'rollback':
        this.#end();
        return;
      case 'rollbackTo':
        if (this.#changed) this.#unknown = true;
        return;
      default:
        this.#unknown = true;
    }
  }

  #end(): void {
    this.#open = undefined;
    this.#local.clear();
  }

  failed({ effects }: Statement): void {
    this.#failed = true;
    // A failed COMMIT rolls back; of anything else that changes the session it is not known what it left behind.
    for (const { kind } of effects)
      if (kind === 'commit' ? this.#changed : kind !== 'begin' && kind !== 'rollback') this.#unknown = true;
  }

  /** Statements that make a new session plan as this one does; undefined when no statements would. */
  repeat(): readonly string[] | undefined {
    if (this.#unknown) return undefined;
    if (!this.#open && this.#settings.size === 0) return NOTHING;
    const statements = [...(this.#open ?? this.#settings).values(), ...this.#local.values()];
    return statements.length > MAX_SETTINGS ? undefined : statements;
  }
}

const states = new WeakMap<object, SessionState>();

/** The state of a client's session. */
export function sessionStateOf(client: object): SessionState {
  const known = states.get(client);
  if (known) return known;
  const state = new SessionState();
  states.set(client, state);
  return state;
}
