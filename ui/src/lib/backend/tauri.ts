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
  closeWindow: (onClose) => invoke('close_window', { onClose }),
  openDataFolder: () => invoke('open_data_folder'),
  copyText: (text) => invoke('copy_text', { text }),
  askClose: () => invoke('ask_close'),
  setZoom: (factor) => invoke('set_zoom', { factor }),
  keptView: () => invoke('kept_view'),
  keepView: (text) => invoke('keep_view', { text }),

  listKeys: () => invoke('list_keys'),
  createKey: (asked) => invoke('create_key', { new: asked }),
  describeKey: (id, name, note) => invoke('describe_key', { id, name, note }),
  revokeKey: (id, reason) => invoke('revoke_key', { id, reason }),
  recentCallers: (id) => invoke('recent_callers', { id }),
  lastDay: () => invoke('last_day'),
  heldNewKey: () => invoke('held_new_key'),
  revealNewKey: (id) => invoke('reveal_new_key', { id }),
  issueNewKey: (id) => invoke('issue_new_key', { id }),
  tryNewKey: (id) => invoke('try_new_key', { id }),
  copyNewKey: (id, inside) => invoke('copy_new_key', { id, inside }),
  writeNewKey: (id, program) => invoke('write_new_key', { id, program }),
  whereProgramsRun: (programs) => invoke('where_programs_run', { programs }),
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
  saveReturnPage: (id) => invoke('save_return_page', { id }),
  openLink: (link) => invoke('open_link', { link }),

  listConnections: () => invoke('list_connections'),
  beginSignIn: (request) => invoke('begin_sign_in', { request }),
  beginDeviceSignIn: (request) => invoke('begin_device_sign_in', { request }),
  signIn: (id) => invoke('sign_in', { id }),
  openSignIn: (id) => invoke('open_sign_in', { id }),
  cancelSignIn: (id) => invoke('cancel_sign_in', { id }),
  unconfirmedSignIns: () => invoke('unconfirmed_sign_ins'),
  confirmSignIn: (id) => invoke('confirm_sign_in', { id }),
  probeConnection: (id) => invoke('probe_connection', { id }),
  disconnect: (id) => invoke('disconnect', { id }),
  setPermissions: (id, permissions) => invoke('set_permissions', { id, permissions }),
  waitingApprovals: () => invoke('waiting_approvals'),
  approve: (id, recipientsToo, edit) => invoke('approve', { id, recipientsToo, edit }),
  deny: (id) => invoke('deny', { id }),
  explainErrorCode: (code) => invoke('explain_error_code', { code }),

  usageReport: (span) => invoke('usage_report', { span }),
  exportUsage: (span, format) => invoke('export_usage', { span, format }),
  activityPage: (filter, before) => invoke('activity_page', { filter, before }),
  verifyActivity: () => invoke('verify_activity'),
  exportActivity: (filter, format) => invoke('export_activity', { filter, format }),
  exportTimeline: (filter, form) => invoke('export_timeline', { filter, form }),
  attention: () => invoke('attention'),
  troubledCalls: () => invoke('troubled_calls'),
  explainRefusal: (requestId) => invoke('explain_refusal', { requestId }),
  selfCheck: () => invoke('self_check'),

  gatewayState: () => invoke('gateway_state'),
  getSettings: () => invoke('get_settings'),
  saveSettings: (settings, credential) => invoke('save_settings', { settings, credential }),
  fixedSettings: () => invoke('fixed_settings'),
  sharedProfile: () => invoke('shared_profile'),
  runGatewayHere: (runs) => invoke('run_gateway_here', { runs }),
  forgetHost: (id) => invoke('forget_host', { id }),
  shareProfile: (url, password) => invoke('share_profile', { url, password }),
  chooseInvite: () => invoke('choose_invite'),
  joinSharedProfile: (passphrase) => invoke('join_shared_profile', { passphrase }),
  leaveSharedProfile: () => invoke('leave_shared_profile'),
  testRuntime: (url) => invoke('test_runtime', { url }),
  stopEverything: () => invoke('stop_everything'),
  resumeEverything: () => invoke('resume_everything'),
  backUp: () => invoke('back_up'),
  chooseRestore: () => invoke('choose_restore'),
  restore: () => invoke('restore'),
  reset: () => invoke('reset'),
  copyDiagnostics: () => invoke('copy_diagnostics'),

  onChange: (listener) => follow('change', (event) => listener(event.payload as never)),
  onCloseHeld: (listener) => follow('close-held', () => listener()),
  onCloseAsked: (listener) => follow('close-asked', () => listener()),
}
