import {
  type AppInfo,
  type Backend,
  type Change,
  type ConnectionView,
  type ErrorView,
  type GatewayState,
  type IntegrationView,
  type KeyView,
  type LastDay,
  type Settings,
  errorView,
} from './backend/backend'

type Phase = { name: 'opening' } | { name: 'failed'; error: ErrorView } | { name: 'ready' }

/** Counters change several times a second under load; the page follows once. */
const USAGE_PAUSE_MS = 1000

/** What all pages show, kept true to what the app tells. */
export class AppState {
  phase = $state<Phase>({ name: 'opening' })
  info = $state<AppInfo | null>(null)
  keys = $state<KeyView[]>([])
  integrations = $state<IntegrationView[]>([])
  connections = $state<ConnectionView[]>([])
  /** Grows with every news of a sign-in. */
  signInNews = $state(0)
  lastDay = $state<LastDay>({ from: 0, keys: [], refusals: [] })
  gateway = $state<GatewayState>({ state: 'starting' })
  settings = $state<Settings | null>(null)
  /** Why the latest reading failed; what was read before is still shown. */
  trouble = $state<ErrorView | null>(null)
  /** The present, for relative times. */
  now = $state(Date.now())

  #usageTimer: ReturnType<typeof setTimeout> | undefined

  constructor(readonly backend: Backend) {}

  /** The key that opens the agent API now. */
  get liveKey(): KeyView | undefined {
    return this.keys.find((key) => key.state === 'active' || key.state === 'expiring')
  }

  /** Where applications reach the gateway, also while it is not listening. */
  get gatewayUrl(): string {
    return this.gateway.state === 'listening'
      ? this.gateway.url
      : `http://127.0.0.1:${this.settings?.gateway_port ?? 8765}`
  }

  /** Opens the app and follows it. Returns a function that stops following. */
  start(): () => void {
    const stop = this.backend.onChange((change) => this.#heard(change))
    const clock = setInterval(() => (this.now = Date.now()), 5000)
    void this.open(() => this.backend.startUp())
    return () => {
      stop()
      clearInterval(clock)
      clearTimeout(this.#usageTimer)
    }
  }

  async open(attempt: () => Promise<AppInfo>) {
    try {
      this.info = await attempt()
      await this.#readAll()
      this.phase = { name: 'ready' }
    } catch (thrown) {
      this.phase = { name: 'failed', error: errorView(thrown) }
    }
  }

  async #readAll() {
    await Promise.all([
      this.readKeys(),
      this.#readGateway(),
      this.#readSettings(),
      this.readIntegrations(),
      this.readConnections(),
    ])
  }

  async readKeys() {
    const [keys, lastDay] = await Promise.all([this.backend.listKeys(), this.backend.lastDay()])
    this.keys = keys
    this.lastDay = lastDay
    this.now = Date.now()
    this.trouble = null
  }

  async readIntegrations() {
    this.integrations = await this.backend.listIntegrations()
    this.now = Date.now()
  }

  async readConnections() {
    this.connections = await this.backend.listConnections()
    this.now = Date.now()
  }

  async #readGateway() {
    this.gateway = await this.backend.gatewayState()
  }

  async #readSettings() {
    this.settings = await this.backend.getSettings()
  }

  #heard(change: Change) {
    if (change === 'usage') {
      this.#usageTimer ??= setTimeout(() => {
        this.#usageTimer = undefined
        this.#attempt(() => this.readKeys())
      }, this.#sinceUsage())
      return
    }
    const read = {
      keys: () => this.readKeys(),
      gateway: () => this.#readGateway(),
      settings: () => this.#readSettings(),
      integrations: () => this.readIntegrations(),
      connections: () => this.readConnections(),
      sign_ins: async () => void this.signInNews++,
    }[change]
    this.#attempt(read)
  }

  #lastUsage = 0
  /** The first news is shown at once, later ones wait for their turn. */
  #sinceUsage(): number {
    const wait = Math.max(0, this.#lastUsage + USAGE_PAUSE_MS - Date.now())
    this.#lastUsage = Date.now() + wait
    return wait
  }

  #attempt(read: () => Promise<void>) {
    read().catch((thrown: unknown) => (this.trouble = errorView(thrown)))
  }
}
