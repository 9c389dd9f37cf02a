import { untrack } from 'svelte'
import { type ErrorView, errorView } from './backend/backend'
import type { AppState } from './state.svelte'

/** Hosts say every five seconds that they are there. */
const EVERY_MS = 5000

/** Keeps who shares the profile true, for as long as the part of the page that calls this is shown. */
export function watchShared(app: AppState): { error: ErrorView | null } {
  const watched = $state<{ error: ErrorView | null }>({ error: null })
  const look = () =>
    app.readShared().then(
      () => (watched.error = null),
      (thrown: unknown) => (watched.error = errorView(thrown)),
    )
  $effect(() => {
    // What it reads is what it writes: followed, it would look again and again without a pause.
    void untrack(look)
    const looking = setInterval(look, EVERY_MS)
    return () => clearInterval(looking)
  })
  return watched
}
