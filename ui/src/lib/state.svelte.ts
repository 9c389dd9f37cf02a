import {
  type AppInfo,
  type Attention,
  type Backend,
  type Change,
  type ConnectionView,
  type ErrorView,
  type Fix,
  type GatewayState,
  type IntegrationView,
  type KeyView,
  type LastDay,
  type SettingsInForce,
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
  /** What needs attention, the urgent first. */
  attention = $state<Attention[]>([])
  /** What a person wants to do about it, until the page that does it has taken it up. */
  wanted = $state<Fix | null>(null)
  /** Grows with every row that is added to the record. */
  activityNews = $state(0)
  /** The settings that the machine's administrator has fixed. */
  fixed = $state<string[]>([])
  /** Grows with every news of a sign-in. */
  signInNews = $state(0)
  lastDay = $state<LastDay>({ from: 0, keys: [], refusals: [] })
  gateway = $state<GatewayState>({ state: 'starting' })
  settings = $state<SettingsInForce | null>(null)
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

  /** Whether an administrator has stopped everything, also where the gateway is off besides. */
  get stopped(): boolean {
    return this.gateway.state === 'refusing' || this.attention.some(({ fix }) => fix.kind === 'resume')
  }

  /** Where applications reach the gateway, also while it is not listening. */
  get gatewayUrl(): string {
    return this.gateway.state === 'listening'
      ? this.gateway.url
      : `http://127.0.0.1:${this.settings?.gateway_port ?? 8765}`
  }

  /** Opens the app and follows it from now on. Settles when there is something to show. */
  start(): Promise<void> {
    this.backend.onChange((change) => this.#heard(change))
    setInterval(() => (this.now = Date.now()), 5000)
    // Days run out without any news.
    setInterval(() => this.#attempt(() => this.#readAttention()), 60_000)
    // Every answer waits for the app to be open; none has to wait for another.
    return this.#show(Promise.all([this.backend.startUp(), this.#readAll()]).then(([info]) => info))
  }

  /** Tries once more to open the app. */
  tryAgain(): Promise<void> {
    return this.#show(this.backend.tryAgain().then((info) => this.#readAll().then(() => info)))
  }

  async #show(opening: Promise<AppInfo>) {
    try {
      this.info = await opening
      this.phase = { name: 'ready' }
      // Looks at everything; the page does not wait for it.
      this.#attempt(() => this.#readAttention())
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
    const [settings, fixed] = await Promise.all([this.backend.getSettings(), this.backend.fixedSettings()])
    this.settings = settings
    this.fixed = fixed
  }

  async #readAttention() {
    if (this.phase.name === 'failed') return
    this.attention = await this.backend.attention()
  }

  /** Takes up what a person wants, where it is of this kind. */
  take<K extends Fix['kind']>(kind: K): Extract<Fix, { kind: K }> | null {
    if (this.wanted?.kind !== kind) return null
    const wanted = this.wanted as Extract<Fix, { kind: K }>
    this.wanted = null
    return wanted
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
      activity: async () => void this.activityNews++,
      attention: async () => {},
    }[change]
    this.#attempt(read)
    if (change !== 'sign_ins') this.#attempt(() => this.#readAttention())
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
