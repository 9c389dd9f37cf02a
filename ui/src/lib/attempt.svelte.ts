import { type ErrorView, errorView } from './backend/backend'

/** One act of a dialog: whether it goes on, and why it failed. */
export class Attempt {
  busy = $state(false)
  error = $state<ErrorView | null>(null)

  async run(work: () => Promise<void>) {
    this.busy = true
    this.error = null
    try {
      await work()
    } catch (thrown) {
      this.error = errorView(thrown)
    } finally {
      this.busy = false
    }
  }
}
