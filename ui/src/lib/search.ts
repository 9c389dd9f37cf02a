/** Whether all words that were typed stand in these texts, in any order. */
export function finds(typed: string, ...texts: string[]): boolean {
  const whole = texts.join('\n').toLowerCase()
  return typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => whole.includes(word))
}

/** Made once: comparing by locale takes long to set up. */
const collator = new Intl.Collator('en', { numeric: true })

/** How two names stand to each other: "Customer 9" before "Customer 10". */
export const inOrder = (one: string, other: string): number => collator.compare(one, other)
