import type { AppInfo } from './types/AppInfo'
import type { AuthorityFailure } from './types/AuthorityFailure'
import type { CallerView } from './types/CallerView'
import type { Catalogue } from './types/Catalogue'
import type { Change } from './types/Change'
import type { ConnectionView } from './types/ConnectionView'
import type { CreatedKey } from './types/CreatedKey'
import type { Draft } from './types/Draft'
import type { DraftReport } from './types/DraftReport'
import type { EnvFileWritten } from './types/EnvFileWritten'
import type { ErrorView } from './types/ErrorView'
import type { GatewayState } from './types/GatewayState'
import type { IntegrationView } from './types/IntegrationView'
import type { KeyView } from './types/KeyView'
import type { LastDay } from './types/LastDay'
import type { NewKey } from './types/NewKey'
import type { ProbeStep } from './types/ProbeStep'
import type { SecretRequest } from './types/SecretRequest'
import type { Settings } from './types/Settings'
import type { SignInRequest } from './types/SignInRequest'
import type { SignInView } from './types/SignInView'
import type { StepReport } from './types/StepReport'

export type {
  AppInfo,
  AuthorityFailure,
  CallerView,
  Catalogue,
  Change,
  ConnectionView,
  CreatedKey,
  Draft,
  DraftReport,
  EnvFileWritten,
  ErrorView,
  GatewayState,
  IntegrationView,
  KeyView,
  LastDay,
  NewKey,
  ProbeStep,
  SecretRequest,
  Settings,
  SignInRequest,
  SignInView,
  StepReport,
}
export type { Cloud } from './types/Cloud'
export type { ConnectionState } from './types/ConnectionState'
export type { Expiry } from './types/Expiry'
export type { Field } from './types/Field'
export type { Health } from './types/Health'
export type { KeyState } from './types/KeyState'
export type { Platform } from './types/Platform'
export type { RefusalView } from './types/RefusalView'
export type { ScopeInfo } from './types/ScopeInfo'
export type { ScopeNote } from './types/ScopeNote'
export type { StepState } from './types/StepState'
export type { Toolkit } from './types/Toolkit'

/** What the page may ask of the app. Every rejection is an {@link ErrorView}. */
export interface Backend {
  startUp(): Promise<AppInfo>
  tryAgain(): Promise<AppInfo>
  painted(): Promise<void>
  closeAnyway(): Promise<void>
  copyText(text: string): Promise<void>

  listKeys(): Promise<KeyView[]>
  createKey(asked: NewKey): Promise<CreatedKey>
  revokeKey(id: string): Promise<KeyView>
  recentCallers(id: string): Promise<CallerView[]>
  lastDay(): Promise<LastDay>
  /** Resolves to the Unix milliseconds at which the clipboard will be cleared. */
  copyNewKey(id: string): Promise<number>
  chooseEnvFile(): Promise<string | null>
  writeNewKey(id: string, path: string): Promise<EnvFileWritten>
  dismissNewKey(): Promise<void>

  listIntegrations(): Promise<IntegrationView[]>
  scopeCatalogue(): Promise<Catalogue>
  freshIntegration(): Promise<Draft>
  integrationDraft(id: string): Promise<Draft>
  integrationReport(draft: Draft, secret: SecretRequest): Promise<DraftReport>
  /** Resolves to whether all steps passed. */
  preflight(draft: Draft, secret: SecretRequest, onStep: (report: StepReport) => void): Promise<boolean>
  saveIntegration(draft: Draft, secret: SecretRequest): Promise<IntegrationView>
  deleteIntegration(id: string): Promise<void>
  setDefaultIntegration(id: string): Promise<void>
  chooseReturnPage(): Promise<string | null>
  saveReturnPage(path: string): Promise<void>
  /** Opens one of Microsoft's pages in the browser. */
  openLink(link: string): Promise<void>

  listConnections(): Promise<ConnectionView[]>
  beginSignIn(request: SignInRequest): Promise<SignInView>
  /** For a browser that can't reach this machine. */
  beginDeviceSignIn(request: SignInRequest): Promise<SignInView>
  signIn(id: string): Promise<SignInView | null>
  openSignIn(id: string): Promise<void>
  cancelSignIn(id: string): Promise<void>
  probeConnection(id: string): Promise<ProbeStep[]>
  disconnect(id: string): Promise<void>
  explainErrorCode(code: string): Promise<AuthorityFailure>

  gatewayState(): Promise<GatewayState>
  getSettings(): Promise<Settings>
  saveSettings(settings: Settings, credential: SecretRequest): Promise<Settings>

  /** Returns a function that stops listening. */
  onChange(listener: (change: Change) => void): () => void
  /** The window was asked to close while a new key is not copied. */
  onCloseHeld(listener: () => void): () => void
}

/** The error as the page can show it, also where something unforeseen was thrown. */
export function errorView(thrown: unknown): ErrorView {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'remedy' in thrown) {
    return thrown as ErrorView
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return { code: 'internal', message, remedy: 'Try again; if it stays, restart the app.' }
}
