/** Every order of a list. */
export function allOrders<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) => allOrders(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}
