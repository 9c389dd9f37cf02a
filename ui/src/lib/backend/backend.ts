import type { AppInfo } from './types/AppInfo'
import type { CallerView } from './types/CallerView'
import type { Change } from './types/Change'
import type { CreatedKey } from './types/CreatedKey'
import type { SecretRequest } from './types/SecretRequest'
import type { EnvFileWritten } from './types/EnvFileWritten'
import type { ErrorView } from './types/ErrorView'
import type { GatewayState } from './types/GatewayState'
import type { KeyView } from './types/KeyView'
import type { LastDay } from './types/LastDay'
import type { NewKey } from './types/NewKey'
import type { Settings } from './types/Settings'

export type {
  AppInfo,
  CallerView,
  Change,
  CreatedKey,
  SecretRequest,
  EnvFileWritten,
  ErrorView,
  GatewayState,
  KeyView,
  LastDay,
  NewKey,
  Settings,
}
export type { Expiry } from './types/Expiry'
export type { KeyState } from './types/KeyState'
export type { RefusalView } from './types/RefusalView'

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
