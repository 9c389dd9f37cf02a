import type { Backend, Draft } from './backend/backend'
import { type PageName, isPage } from './pages'

export type PreferencesTab = 'settings' | 'data' | 'check'

/** Written once after a burst of changes. */
const PAUSE_MS = 400

/** What a person left behind, found again at the next start: places and filters, never a secret. */
interface Kept {
  page: PageName
  keysTab: 'keys' | 'usage'
  preferencesTab: PreferencesTab
  /** Until when each thing that needs attention was put off, in Unix milliseconds. */
  snoozed: Record<string, number>
  /** The filters of Activity, as the page has them. */
  activity: Record<string, string>
  /** A form of an integration that was left, without its secret. */
  draft: Draft | null
  zoom: number
}

/** The view of this window. */
export class View {
  page = $state<PageName>('keys')
  keysTab = $state<'keys' | 'usage'>('keys')
  preferencesTab = $state<PreferencesTab>('settings')
  snoozed = $state<Record<string, number>>({})
  activity = $state<Record<string, string>>({})
  draft = $state.raw<Draft | null>(null)
  zoom = $state(1)

  #timer: ReturnType<typeof setTimeout> | undefined
  #kept = ''

  constructor(readonly backend: Backend) {}

  /** Takes over what was kept; a text that can't be read is none. */
  async read() {
    const text = await this.backend.keptView().catch(() => null)
    if (!text) return
    try {
      this.#take(JSON.parse(text) as Partial<Kept>)
      this.#kept = this.#text()
    } catch {
      // Kept by another version: what it means is not known any more.
    }
  }

  #take(kept: Partial<Kept>) {
    if (isPage(kept.page)) this.page = kept.page
    if (kept.keysTab === 'usage') this.keysTab = 'usage'
    if (kept.preferencesTab === 'data' || kept.preferencesTab === 'check')
      this.preferencesTab = kept.preferencesTab
    for (const [id, until] of Object.entries(kept.snoozed ?? {})) {
      if (typeof until === 'number' && until > Date.now()) this.snoozed[id] = until
    }
    this.activity = { ...kept.activity }
    this.draft = kept.draft ?? null
    if (typeof kept.zoom === 'number' && kept.zoom >= 0.5 && kept.zoom <= 2) this.zoom = kept.zoom
  }

  #text(): string {
    const { page, keysTab, preferencesTab, snoozed, activity, draft, zoom } = this
    return JSON.stringify({
      page,
      keysTab,
      preferencesTab,
      snoozed,
      activity,
      draft,
      zoom,
    } satisfies Kept)
  }

  /** Keeps the view as it is, a moment later. Reads all of it, so that an effect that calls this follows it. */
  keep() {
    const text = this.#text()
    clearTimeout(this.#timer)
    if (text === this.#kept) return
    this.#timer = setTimeout(() => {
      this.#kept = text
      // A place that can't be kept is a small loss.
      this.backend.keepView(text).catch(() => {})
    }, PAUSE_MS)
  }
}
