/** Keeps the `capacity` values that were used last, by number. */
export class BoundedCache<V> {
  readonly #capacity: number;
  readonly #values = new Map<number, V>();
  #lastKey = Number.NaN;
  #lastValue: V | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: number, make: () => V): V {
    if (key === this.#lastKey && this.#lastValue !== undefined) return this.#lastValue;
    const value = this.#values.get(key) ?? make();
    // Taken out and put back: a Map keeps the order of insertion, so the first is the one unused for longest.
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#capacity) {
      for (const oldest of this.#values.keys()) {
        this.#values.delete(oldest);
        break;
      }
    }
    this.#lastKey = key;
    this.#lastValue = value;
    return value;
  }
}
