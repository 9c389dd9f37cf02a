import type {
  Backend,
  Change,
  ConnectionView,
  Draft,
  DraftReport,
  ErrorView,
  IntegrationView,
  KeyView,
  Settings,
  SignInView,
} from './backend'

const settings: Settings = {
  gateway_port: 8765,
  largest_body_mib: 16,
  runtime_url: null,
  runtime_has_credential: false,
  clipboard_seconds: 30,
}

/** A key that a test can shape. */
export function aKey(over: Partial<KeyView> = {}): KeyView {
  return {
    id: 'AAAAAAAAAA',
    name: 'Production',
    state: 'active',
    last_four: 'wxyz',
    created_at: Date.now() - 86_400_000,
    expires_at: Date.now() + 30 * 86_400_000,
    ended_at: null,
    first_used: null,
    last_used: null,
    requests: 0,
    ...over,
  }
}

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
  ...over,
})

/** A backend in memory, for component tests. Any method can be replaced. */
export function fakeBackend(over: Partial<Backend> = {}) {
  let listeners: ((change: Change) => void)[] = []
  const state = {
    keys: [] as KeyView[],
    integrations: [] as IntegrationView[],
    connections: [] as ConnectionView[],
    settings: { ...settings },
  }
  const backend: Backend = {
    startUp: async () => ({ version: '0.0.0', policy_file: '/etc/policy.json' }),
    tryAgain: async () => ({ version: '0.0.0', policy_file: '/etc/policy.json' }),
    painted: async () => {},
    closeAnyway: async () => {},
    copyText: async () => {},
    listKeys: async () => state.keys,
    createKey: async ({ name }) => ({ key: aKey({ name }), text: 'the text of the key' }),
    revokeKey: async (id) => aKey({ id, state: 'revoked' }),
    recentCallers: async () => [],
    lastDay: async () => ({ from: Date.now() - 86_400_000, keys: [], refusals: [] }),
    copyNewKey: async () => Date.now() + 30_000,
    chooseEnvFile: async () => null,
    writeNewKey: async (_, path) => ({ path, ignored_in: null }),
    dismissNewKey: async () => {},
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
    chooseReturnPage: async () => null,
    saveReturnPage: async () => {},
    openLink: async () => {},
    listConnections: async () => state.connections,
    beginSignIn: async () => aSignIn(),
    beginDeviceSignIn: async () =>
      aSignIn({ device: { code: 'ABCD-EFGH', page: 'https://microsoft.com/devicelogin' } }),
    signIn: async () => aSignIn(),
    openSignIn: async () => {},
    cancelSignIn: async () => {},
    probeConnection: async () => [],
    disconnect: async () => {},
    explainErrorCode: async () => ({
      what: 'It is wrong',
      fix: 'Do this.',
      aadsts: 50011,
      correlation_id: null,
      said: null,
    }),
    gatewayState: async () => ({ state: 'listening', url: 'http://127.0.0.1:8765' }),
    getSettings: async () => state.settings,
    saveSettings: async (changed) => (state.settings = changed),
    onChange: (listener) => {
      listeners.push(listener)
      return () => (listeners = listeners.filter((it) => it !== listener))
    },
    onCloseHeld: () => () => {},
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
