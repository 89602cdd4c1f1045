/**
 * Sets of whole numbers as sorted, disjoint, non-adjacent closed ranges: what a receipt says is held, what a chain
 * still has to send. All functions are pure and return fresh arrays.
 */
export type Range = readonly [first: number, last: number];
export type Ranges = readonly Range[];

/** Whether `ranges` is sorted, disjoint, non-adjacent and made of non-negative safe integers. */
export function isNormal(ranges: Ranges): boolean {
  let previousLast = -2;
  for (const [first, last] of ranges) {
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) return false;
    if (first < 0 || last < first || first <= previousLast + 1) return false;
    previousLast = last;
  }
  return true;
}

export function union(left: Ranges, right: Ranges): Ranges {
  const sorted = [...left, ...right].toSorted((a, b) => a[0] - b[0]);
  const result: [number, number][] = [];
  for (const [first, last] of sorted) {
    const tail = result.at(-1);
    if (tail !== undefined && first <= tail[1] + 1) tail[1] = Math.max(tail[1], last);
    else result.push([first, last]);
  }
  return result;
}

export function subtract(from: Ranges, taken: Ranges): Ranges {
  const result: Range[] = [];
  let next = 0;
  for (const [first, last] of from) {
    let start = first;
    while (next < taken.length && taken[next]![1] < start) next++;
    for (let index = next; index < taken.length && taken[index]![0] <= last; index++) {
      const [takenFirst, takenLast] = taken[index]!;
      if (takenFirst > start) result.push([start, takenFirst - 1]);
      start = Math.max(start, takenLast + 1);
    }
    if (start <= last) result.push([start, last]);
  }
  return result;
}

export function intersect(left: Ranges, right: Ranges): Ranges {
  return subtract(left, subtract(left, right));
}

export function contains(ranges: Ranges, value: number): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranges[middle]!;
    if (value < first) high = middle - 1;
    else if (value > last) low = middle + 1;
    else return true;
  }
  return false;
}

/** How many numbers the set holds. */
export function countOf(ranges: Ranges): number {
  let count = 0;
  for (const [first, last] of ranges) count += last - first + 1;
  return count;
}

export function formatRanges(ranges: Ranges): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}..${last}`)).join(", ");
}
