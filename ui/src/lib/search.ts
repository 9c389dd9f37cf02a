/** Whether all words that were typed stand in these texts, in any order. */
export function finds(typed: string, ...texts: string[]): boolean {
  const whole = texts.join('\n').toLowerCase()
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => whole.includes(word))
}
