/**
 * Works at once where nothing is under way. Of what is asked meanwhile the last is done when that has ended: a burst
 * costs two turns, not one for each.
 */
export function oneAtATime<Asked extends unknown[]>(work: (...asked: Asked) => Promise<void>) {
  let wanted: Asked | null = null
  let working = false
  return async (...asked: Asked) => {
    wanted = asked
    if (working) return
    working = true
    while (wanted) {
      const next: Asked = wanted
      wanted = null
      await work(...next)
    }
    working = false
  }
}
