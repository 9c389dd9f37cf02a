import type { Backend, Change, ErrorView, KeyView, Settings } from './backend'

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

/** A backend in memory, for component tests. Any method can be replaced. */
export function fakeBackend(over: Partial<Backend> = {}) {
  let listeners: ((change: Change) => void)[] = []
  const state = { keys: [] as KeyView[], settings: { ...settings } }
  const backend: Backend = {
    startUp: async () => ({ version: '0.0.0' }),
    tryAgain: async () => ({ version: '0.0.0' }),
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
