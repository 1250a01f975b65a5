/** Works it out when it is first asked for, then keeps it. What is thrown is thrown again each time. */
export function lazy<T>(work: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => {
    known ??= { value: work() };
    return known.value;
  };
}
