import { type ErrorView, type SecretRequest, type Settings, errorView } from '../../lib/backend/backend'
import type { AppState } from '../../lib/state.svelte'

/** One change of the settings that is saved apart from all others, and what came of it. */
export class Changing {
  status = $state<'idle' | 'saving' | 'saved'>('idle')
  error = $state<ErrorView | null>(null)

  constructor(readonly app: AppState) {}

  /** Whether it was saved. */
  async save(part: Partial<Settings>, credential: SecretRequest = { kind: 'keep' }): Promise<boolean> {
    if (!this.app.settings) return false
    this.status = 'saving'
    this.error = null
    try {
      this.app.settings = await this.app.backend.saveSettings({ ...this.app.settings, ...part }, credential)
      this.status = 'saved'
      return true
    } catch (thrown) {
      this.error = errorView(thrown)
      this.status = 'idle'
      return false
    }
  }

  /** What was typed since is another change. */
  forget() {
    this.status = 'idle'
    this.error = null
  }
}
