import {
  type AppInfo,
  type ApprovalView,
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
  type NewKeyView,
  type Toolkit,
  errorView,
  type SharedView,
} from './backend/backend'
import { oneAtATime } from './one-at-a-time'
import type { PageName } from './pages'
import { View } from './view.svelte'

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
  /** The dialog of the whole window that is open. */
  opened = $state<'palette' | 'stop' | 'shortcuts' | 'about' | null>(null)
  /** The form of a new key, with the days that were asked for. */
  creating = $state<{ days: number | null } | null>(null)
  /** The new key whose dialog is open. */
  held = $state<NewKeyView | null>(null)
  /** The request id of the call that is being explained; empty: to be typed. */
  explaining = $state<string | null>(null)
  /** What a person wants to find on the page that opens. */
  finding = $state('')
  /** The account whose part of the record a person wants to see: all of it, or what agents did. */
  askedAccount = $state<{ account: string; only: 'all' | 'agents' } | null>(null)
  /** Whether the dialog that connects an agent is open. */
  connectingAgent = $state(false)
  /** The toolkit that somebody is to be connected to. */
  connecting = $state<Toolkit | null>(null)
  readonly view: View
  /** Grows with every row that is added to the record. */
  activityNews = $state(0)
  /** Where the profile lies and who shares it; `null`: it is this machine's alone. */
  shared = $state<SharedView | null>(null)
  /** The settings that the machine's administrator has fixed. */
  fixed = $state<string[]>([])
  /** Grows with every news of a sign-in. */
  signInNews = $state(0)
  lastDay = $state<LastDay>({ from: 0, keys: [], refusals: [] })
  /** What agents want to do and a person has to answer, the oldest first. */
  approvals = $state<ApprovalView[]>([])
  gateway = $state<GatewayState>({ state: 'starting' })
  settings = $state<SettingsInForce | null>(null)
  /** Why the latest reading failed; what was read before is still shown. */
  trouble = $state<ErrorView | null>(null)
  /** The present, for relative times. */
  now = $state(Date.now())

  #usageTimer: ReturnType<typeof setTimeout> | undefined

  constructor(readonly backend: Backend) {
    this.view = new View(backend)
  }

  /** The key that opens the agent API now. */
  get liveKey(): KeyView | undefined {
    return this.keys.find((key) => key.state === 'active' || key.state === 'expiring')
  }

  /** Whether an administrator has stopped everything, also where the gateway is off besides. */
  get stopped(): boolean {
    return this.gateway.state === 'refusing' || this.attention.some(({ fix }) => fix.kind === 'resume')
  }

  /** What needs somebody and was not put off. */
  get needsYou(): Attention[] {
    return this.attention.filter(
      ({ id, harm }) => harm === 'everything_refused' || (this.view.snoozed[id] ?? 0) <= this.now,
    )
  }

  get port(): number {
    return this.gateway.state === 'listening'
      ? Number(this.gateway.url.split(':').at(-1))
      : (this.settings?.gateway_port ?? 8765)
  }

  /** Answered calls of the last 24 hours. */
  get callsToday(): number {
    return this.lastDay.keys.flatMap(({ hours }) => hours).reduce((sum, calls) => sum + calls, 0)
  }

  go(page: PageName) {
    this.view.page = page
  }

  /** Opens a page with its search filled. */
  find(page: PageName, term: string) {
    this.finding = term
    this.go(page)
  }

  /** Opens the part of the record that is about this account. */
  showActivityOf(account: string, only: 'all' | 'agents' = 'all') {
    this.askedAccount = { account, only }
    this.go('activity')
  }

  /** Opens the dialog that connects an account to this toolkit. */
  connect(toolkit: Toolkit) {
    this.connecting = toolkit
    this.go('tools')
  }

  connectAgent() {
    this.connectingAgent = true
    this.go('tools')
  }

  createKey(days: number | null = null) {
    this.creating = { days }
  }

  /** Does, or opens the page that does, what fixes something. */
  fix(fix: Fix) {
    if (fix.kind === 'resume') void this.resume()
    else if (fix.kind === 'create_key') this.createKey()
    else this.wanted = fix
  }

  async resume() {
    await this.#attempt(() => this.backend.resumeEverything())
  }

  async usePort(port: number) {
    const settings = this.settings
    if (!settings) return
    await this.#attempt(
      async () =>
        void (await this.backend.saveSettings({ ...settings, gateway_port: port }, { kind: 'keep' })),
    )
  }

  /** Where applications reach the gateway, also while it is not listening. */
  get gatewayUrl(): string {
    const here = `http://127.0.0.1:${this.port}`
    if (this.gateway.state === 'listening') return this.gateway.url
    if (this.gateway.state !== 'elsewhere') return here
    // Most gateways beside an agent runtime listen where only that host reaches them: one that others reach is told first.
    const addresses = this.shared?.hosts.flatMap(({ is_there, address }) => (is_there && address) || []) ?? []
    return addresses.find((address) => !address.includes('//127.0.0.1')) ?? addresses[0] ?? here
  }

  /** Opens the app and follows it from now on. Settles when there is something to show. */
  start(): Promise<void> {
    this.backend.onChange((change) => this.#heard(change))
    setInterval(() => (this.now = Date.now()), 5000)
    // Days run out without any news.
    setInterval(() => this.#attentionAfter(), 60_000)
    // Every answer waits for the app to be open; none has to wait for another.
    return this.#show(
      Promise.all([this.backend.startUp(), this.#readAll(), this.view.read()]).then(([info]) => info),
    )
  }

  /** Tries once more to open the app. */
  tryAgain(): Promise<void> {
    return this.#show(this.backend.tryAgain().then((info) => this.#readAll().then(() => info)))
  }

  async #show(opening: Promise<AppInfo>) {
    try {
      this.info = await opening
      this.phase = { name: 'ready' }
      // Also after the page was loaded again.
      void this.#attempt(async () => void (this.held ??= await this.backend.heldNewKey()))
      // Looks at everything; what is there already is shown first.
      setTimeout(() => this.#attentionAfter())
    } catch (thrown) {
      this.phase = { name: 'failed', error: errorView(thrown) }
    }
  }

  async #readAll() {
    await Promise.all([
      this.readKeys(),
      this.#readGateway(),
      this.#readSettings(),
      this.readShared(),
      this.readIntegrations(),
      this.readConnections(),
      this.readApprovals(),
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

  async readApprovals() {
    this.approvals = await this.backend.waitingApprovals()
    this.now = Date.now()
  }

  /** Asks the database where there is one, so that it is read where it is shown, and not with each setting. */
  async readShared() {
    const isServed = () => this.shared?.hosts.some(({ is_there }) => is_there) ?? true
    const before = isServed()
    this.shared = await this.backend.sharedProfile()
    if (isServed() !== before) this.#attentionAfter()
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
        void this.#attempt(() => this.readKeys())
      }, this.#sinceUsage())
      return
    }
    if (change === 'sign_ins') this.signInNews++
    else if (change === 'activity') this.activityNews++
    else if (change !== 'attention') this.#readAfter[change]()
    if (change !== 'sign_ins') this.#attentionAfter()
  }

  readonly #readAfter = {
    keys: this.#gathered(() => this.readKeys()),
    gateway: this.#gathered(() => this.#readGateway()),
    settings: this.#gathered(() => this.#readSettings()),
    integrations: this.#gathered(() => this.readIntegrations()),
    connections: this.#gathered(() => this.readConnections()),
    approvals: this.#gathered(() => this.readApprovals()),
  }
  readonly #attentionAfter = this.#gathered(() => this.#readAttention())

  /** Bursts of news are read once. */
  #gathered(read: () => Promise<void>): () => void {
    return oneAtATime(() => this.#attempt(read))
  }

  #lastUsage = 0
  /** The first news is shown at once, later ones wait for their turn. */
  #sinceUsage(): number {
    const wait = Math.max(0, this.#lastUsage + USAGE_PAUSE_MS - Date.now())
    this.#lastUsage = Date.now() + wait
    return wait
  }

  #attempt(work: () => Promise<void>): Promise<void> {
    return work().catch((thrown: unknown) => void (this.trouble = errorView(thrown)))
  }
}
