import type {
  ActivityRow,
  ApprovalView,
  SharedView,
  Attention,
  Backend,
  Change,
  ConnectionView,
  Draft,
  DraftReport,
  ErrorView,
  IntegrationView,
  KeyView,
  NewKeyView,
  SettingsInForce,
  SignInView,
  UsageReport,
} from './backend'

const settings: SettingsInForce = {
  gateway_on: true,
  start_at_login: false,
  on_close: 'ask',
  notifications: true,
  theme: 'system',
  log_level: 'info',
  vault: 'keychain',
  gateway_port: 8765,
  largest_body_mib: 16,
  runtime_url: null,
  runtime_has_credential: false,
  trust_front_proxy: false,
  clipboard_seconds: 30,
  record_days: 365,
  trust_period: 60,
}

const info = { version: '0.0.0', policy_file: '/etc/policy.json', data_dir: '/data', has_tray: true }
const noCalls = { answered: 0, failed: 0, refused: 0, bytes_in: 0, bytes_out: 0 }

/** A day without a call. */
export function aReportOfUsage(over: Partial<UsageReport> = {}): UsageReport {
  const hours = Array.from({ length: 24 }, () => 0)
  const now = Date.now()
  return {
    steps: hours.map((_, at) => now - (23 - at) * 3_600_000),
    until: now,
    answered: hours,
    failed: hours,
    refused: hours,
    programs: [],
    hosts: [],
    refusals: [],
    total: noCalls,
    before: noCalls,
    gateway: null,
    runtime: null,
    ...over,
  }
}

/** A row of the record that a test can shape. */
export const anActivityRow = (over: Partial<ActivityRow> = {}): ActivityRow => ({
  id: 1,
  at: Date.now(),
  actor: 'window',
  kind: 'key_created',
  subject: 'AAAAAAAAAA',
  outcome: 'done',
  detail: { name: 'Production' },
  ...over,
})

/** A key that a test can shape. */
export function aKey(over: Partial<KeyView> = {}): KeyView {
  return {
    id: 'AAAAAAAAAA',
    name: 'Production',
    note: '',
    state: 'active',
    last_four: 'wxyz',
    created_at: Date.now() - 86_400_000,
    expires_at: Date.now() + 30 * 86_400_000,
    ended_at: null,
    ended_by_update: false,
    first_used: null,
    last_used: null,
    requests: 0,
    ...over,
  }
}

/** A new key that a test can shape. */
export const aNewKey = (over: Partial<NewKeyView> = {}): NewKeyView => ({
  key: aKey(),
  masked: 'atk_AAAAAAAAAA_••••wxyz',
  is_live: true,
  replaces: null,
  place: { place: 'nowhere' },
  ...over,
})

/** An integration that a test can shape. */
export function anIntegration(over: Partial<IntegrationView> = {}): IntegrationView {
  return {
    id: 'microsoft-abcdef',
    name: 'Contoso',
    client_id: '11111111-2222-3333-4444-555555555555',
    authority: 'login.microsoftonline.com/contoso.com',
    scopes: ['User.Read', 'Mail.Read'],
    way_back: { kind: 'loopback' },
    redirect_uri: 'http://localhost/oauth/microsoft-abcdef/callback',
    platform: 'web',
    secret: 'stored',
    secret_expires_at: null,
    is_default: false,
    health: 'unchecked',
    check: null,
    ...over,
  }
}

/** A question that a test can shape. */
export function anApproval(over: Partial<ApprovalView> = {}): ApprovalView {
  return {
    id: 'abcdefghjk',
    connection: 'outlook-abcdefgh',
    account: 'ada@contoso.com',
    act: 'send',
    tool: 'mail_send',
    program: 'an agent',
    shown: {
      recipients: ['grace@contoso.com'],
      are_addresses: true,
      subject: 'Offer',
      body: 'Hello',
      more: [],
      editable: { subject: 255, body: 1000 },
      is_edited: false,
    },
    state: 'waiting',
    asked_at: Date.now(),
    decided_at: null,
    ended_at: null,
    ...over,
  }
}

/** A connection that a test can shape. */
export function aConnection(over: Partial<ConnectionView> = {}): ConnectionView {
  return {
    id: 'outlook-abcdefgh',
    toolkit: 'outlook',
    account: 'ada@contoso.com',
    integration: 'microsoft-abcdef',
    granted: ['User.Read', 'Mail.Read'],
    refused: [],
    state: 'connected',
    problem: null,
    access_until: null,
    signed_in_at: Date.now(),
    refreshed_at: Date.now(),
    used_at: null,
    permissions: {
      read: 'allow',
      draft: 'allow',
      send: 'ask',
      delete: 'ask',
      graph: 'read_only',
      token: false,
    },
    ...over,
  }
}

/** A sign-in that waits for the browser. */
export const aSignIn = (over: Partial<SignInView> = {}): SignInView => ({
  id: 'abcdefghjkmn',
  toolkit: 'outlook',
  link: 'https://login.microsoftonline.com/authorize',
  started_at: Date.now(),
  ends_at: Date.now() + 600_000,
  progress: { progress: 'waiting' },
  device: null,
  ...over,
})

/** An empty form. */
export const aDraft = (over: Partial<Draft> = {}): Draft => ({
  id: 'microsoft-abcdef',
  name: '',
  client_id: '',
  authority: { kind: 'entra', cloud: 'global', tenant: '' },
  secret_expires_at: null,
  scopes: [],
  way_back: { kind: 'loopback' },
  ...over,
})

/** What follows from a form that is in order. */
export const aReport = (over: Partial<DraftReport> = {}): DraftReport => ({
  problems: [],
  redirect_uri: 'http://localhost/oauth/microsoft-abcdef/callback',
  platform: 'mobile_and_desktop',
  portal_page: 'https://portal.azure.com/',
  consent_link: null,
  scopes: [],
  needs_admin: false,
  signs_out: [],
  ...over,
})

/** A backend in memory, for component tests. Any method can be replaced. */
export function fakeBackend(over: Partial<Backend> = {}) {
  let listeners: ((change: Change) => void)[] = []
  const state = {
    keys: [] as KeyView[],
    integrations: [] as IntegrationView[],
    connections: [] as ConnectionView[],
    approvals: [] as ApprovalView[],
    shared: null as SharedView | null,
    attention: [] as Attention[],
    settings: { ...settings },
    held: null as NewKeyView | null,
  }
  const backend: Backend = {
    startUp: async () => info,
    tryAgain: async () => info,
    painted: async () => {},
    closeAnyway: async () => {},
    closeWindow: async () => {},
    openDataFolder: async () => {},
    copyText: async () => {},
    askClose: async () => {},
    setZoom: async () => {},
    keptView: async () => null,
    keepView: async () => {},
    listKeys: async () => state.keys,
    createKey: async ({ name, replaces }) =>
      (state.held = aNewKey({ key: aKey({ name }), is_live: !replaces, replaces })),
    heldNewKey: async () => state.held,
    revealNewKey: async () => 'the text of the key',
    issueNewKey: async () => void (state.held &&= { ...state.held, is_live: true }),
    tryNewKey: async () => ({
      call: 'POST /api/amas/conversations/execute',
      status: 200,
      body: '{"output":"The gateway works."}',
      took: 0.9,
      request_id: '4aa71c86-1',
    }),
    describeKey: async (id, name, note) => aKey({ id, name, note }),
    revokeKey: async (id) => aKey({ id, state: 'revoked' }),
    recentCallers: async () => [],
    lastDay: async () => ({ from: Date.now() - 86_400_000, keys: [], refusals: [] }),
    copyNewKey: async () =>
      void (state.held &&= {
        ...state.held,
        is_live: true,
        place: { place: 'clipboard', clears_at: Date.now() + 30_000 },
      }),
    writeNewKey: async () => null,
    whereProgramsRun: async (programs) => programs.map(() => null),
    dismissNewKey: async () => void (state.held = null),
    listIntegrations: async () => state.integrations,
    scopeCatalogue: async () => ({
      scopes: [
        { name: 'Mail.Read', toolkit: 'outlook', consent: 'blocked', lets: 'read mail', least_for: '' },
        { name: 'Chat.Read', toolkit: 'teams', consent: 'blocked', lets: 'read chats', least_for: '' },
      ],
      bundles: [{ name: 'Outlook read', scopes: ['Mail.Read'] }],
      automatic: ['openid', 'profile', 'offline_access'],
    }),
    freshIntegration: async () => aDraft(),
    integrationDraft: async (id) => aDraft({ id, name: 'Contoso' }),
    integrationReport: async () => aReport(),
    preflight: async () => true,
    saveIntegration: async ({ id, name }) => anIntegration({ id, name }),
    deleteIntegration: async () => {},
    setDefaultIntegration: async () => {},
    saveReturnPage: async () => null,
    openLink: async () => {},
    listConnections: async () => state.connections,
    beginSignIn: async () => aSignIn(),
    beginDeviceSignIn: async () =>
      aSignIn({ device: { code: 'ABCD-EFGH', page: 'https://microsoft.com/devicelogin' } }),
    signIn: async () => aSignIn(),
    openSignIn: async () => {},
    cancelSignIn: async () => {},
    unconfirmedSignIns: async () => [],
    confirmSignIn: async () => {},
    probeConnection: async () => [],
    disconnect: async () => {},
    setPermissions: async () => {},
    waitingApprovals: async () => state.approvals,
    approve: async () => {},
    deny: async () => {},
    explainErrorCode: async () => ({
      what: 'It is wrong',
      fix: 'Do this.',
      aadsts: 50011,
      correlation_id: null,
      said: null,
    }),
    usageReport: async () => aReportOfUsage(),
    exportUsage: async () => null,
    activityPage: async () => ({ rows: [], next: null }),
    verifyActivity: async () => ({ state: 'sound', rows: 0 }),
    exportActivity: async () => null,
    exportTimeline: async () => null,
    attention: async () => state.attention,
    troubledCalls: async () => [],
    explainRefusal: async () => Promise.reject(anError('unknown_request')),
    selfCheck: async () => [],
    gatewayState: async () => ({ state: 'listening', url: 'http://127.0.0.1:8765' }),
    getSettings: async () => state.settings,
    saveSettings: async (changed) => (state.settings = { ...state.settings, ...changed }),
    fixedSettings: async () => [],
    sharedProfile: async () => state.shared,
    runGatewayHere: async (runs) => {
      if (state.shared) state.shared = { ...state.shared, gateway_beside_window: runs }
    },
    forgetHost: async (id) => {
      if (state.shared)
        state.shared = { ...state.shared, hosts: state.shared.hosts.filter((host) => host.id !== id) }
    },
    shareProfile: async () => {},
    chooseInvite: async () => null,
    joinSharedProfile: async () => {},
    leaveSharedProfile: async () => {},
    testRuntime: async () => 'It answers.',
    stopEverything: async () => {},
    resumeEverything: async () => {},
    backUp: async () => null,
    chooseRestore: async () => null,
    restore: async () => ({ taken: [], left: [], to_do: [] }),
    reset: async () => {},
    copyDiagnostics: async () => {},
    onChange: (listener) => {
      listeners.push(listener)
      return () => (listeners = listeners.filter((it) => it !== listener))
    },
    onCloseHeld: () => () => {},
    onCloseAsked: () => () => {},
    ...over,
  }
  const tell = (change: Change) => listeners.forEach((listener) => listener(change))
  return { backend, state, tell }
}

/** An error as the shell would send it. */
export const anError = (code: ErrorView['code']): ErrorView => ({
  code,
  message: `It failed: ${code}.`,
  remedy: 'Do this.',
})
