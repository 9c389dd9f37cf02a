import { Channel, invoke } from '@tauri-apps/api/core'
import { type EventCallback, listen } from '@tauri-apps/api/event'
import type { Backend, StepReport } from './backend'

function follow<T>(event: string, heard: EventCallback<T>): () => void {
  const listening = listen<T>(event, heard)
  return () => void listening.then((stop) => stop())
}

/** The backend of the real window. */
export const tauriBackend: Backend = {
  startUp: () => invoke('start_up'),
  tryAgain: () => invoke('try_again'),
  painted: () => invoke('painted'),
  closeAnyway: () => invoke('close_anyway'),
  copyText: (text) => invoke('copy_text', { text }),

  listKeys: () => invoke('list_keys'),
  createKey: (asked) => invoke('create_key', { new: asked }),
  revokeKey: (id) => invoke('revoke_key', { id }),
  recentCallers: (id) => invoke('recent_callers', { id }),
  lastDay: () => invoke('last_day'),
  copyNewKey: (id) => invoke('copy_new_key', { id }),
  chooseEnvFile: () => invoke('choose_env_file'),
  writeNewKey: (id, path) => invoke('write_new_key', { id, path }),
  dismissNewKey: () => invoke('dismiss_new_key'),

  listIntegrations: () => invoke('list_integrations'),
  scopeCatalogue: () => invoke('scope_catalogue'),
  freshIntegration: () => invoke('fresh_integration'),
  integrationDraft: (id) => invoke('integration_draft', { id }),
  integrationReport: (draft, secret) => invoke('integration_report', { draft, secret }),
  preflight: (draft, secret, onStep) => {
    const steps = new Channel<StepReport>(onStep)
    return invoke('preflight', { draft, secret, steps })
  },
  saveIntegration: (draft, secret) => invoke('save_integration', { draft, secret }),
  deleteIntegration: (id) => invoke('delete_integration', { id }),
  setDefaultIntegration: (id) => invoke('set_default_integration', { id }),
  chooseReturnPage: () => invoke('choose_return_page'),
  saveReturnPage: (path) => invoke('save_return_page', { path }),
  openLink: (link) => invoke('open_link', { link }),

  listConnections: () => invoke('list_connections'),
  beginSignIn: (request) => invoke('begin_sign_in', { request }),
  beginDeviceSignIn: (request) => invoke('begin_device_sign_in', { request }),
  signIn: (id) => invoke('sign_in', { id }),
  openSignIn: (id) => invoke('open_sign_in', { id }),
  cancelSignIn: (id) => invoke('cancel_sign_in', { id }),
  probeConnection: (id) => invoke('probe_connection', { id }),
  disconnect: (id) => invoke('disconnect', { id }),
  explainErrorCode: (code) => invoke('explain_error_code', { code }),

  gatewayState: () => invoke('gateway_state'),
  getSettings: () => invoke('get_settings'),
  saveSettings: (settings, credential) => invoke('save_settings', { settings, credential }),

  onChange: (listener) => follow('change', (event) => listener(event.payload as never)),
  onCloseHeld: (listener) => follow('close-held', () => listener()),
}
