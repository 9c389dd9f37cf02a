import type { ActivityFilter } from './types/ActivityFilter'
import type { ActivityPage } from './types/ActivityPage'
import type { Attention } from './types/Attention'
import type { Chain } from './types/Chain'
import type { Explanation } from './types/Explanation'
import type { TimelineFilter } from './types/TimelineFilter'
import type { TimelineForm } from './types/TimelineForm'
import type { Rung } from './types/Rung'
import type { Finding } from './types/Finding'
import type { Format } from './types/Format'
import type { OnClose } from './types/OnClose'
import type { RevokeReason } from './types/RevokeReason'
import type { Span } from './types/Span'
import type { TroubledCall } from './types/TroubledCall'
import type { UsageReport } from './types/UsageReport'
import type { ApprovalView } from './types/ApprovalView'
import type { AppInfo } from './types/AppInfo'
import type { AuthorityFailure } from './types/AuthorityFailure'
import type { CallerView } from './types/CallerView'
import type { Catalogue } from './types/Catalogue'
import type { Change } from './types/Change'
import type { ConnectionView } from './types/ConnectionView'
import type { Draft } from './types/Draft'
import type { DraftReport } from './types/DraftReport'
import type { EnvFileWritten } from './types/EnvFileWritten'
import type { Edit } from './types/Edit'
import type { ErrorView } from './types/ErrorView'
import type { GatewayState } from './types/GatewayState'
import type { IntegrationView } from './types/IntegrationView'
import type { KeyView } from './types/KeyView'
import type { LastDay } from './types/LastDay'
import type { NewKey } from './types/NewKey'
import type { NewKeyView } from './types/NewKeyView'
import type { Permissions } from './types/Permissions'
import type { ProbeStep } from './types/ProbeStep'
import type { RestoreReport } from './types/RestoreReport'
import type { RunningView } from './types/RunningView'
import type { SecretRequest } from './types/SecretRequest'
import type { Settings } from './types/Settings'
import type { SharedView } from './types/SharedView'
import type { SettingsInForce } from './types/SettingsInForce'
import type { SignInRequest } from './types/SignInRequest'
import type { SignInView } from './types/SignInView'
import type { Step } from './types/Step'
import type { StepReport } from './types/StepReport'
import type { TrialCall } from './types/TrialCall'
import type { Written } from './types/Written'

export type {
  ActivityFilter,
  ActivityPage,
  Attention,
  Chain,
  Explanation,
  Rung,
  TimelineFilter,
  TimelineForm,
  Finding,
  Format,
  OnClose,
  RevokeReason,
  SharedView,
  Span,
  TroubledCall,
  UsageReport,
  AppInfo,
  ApprovalView,
  AuthorityFailure,
  CallerView,
  Catalogue,
  Change,
  ConnectionView,
  Draft,
  DraftReport,
  EnvFileWritten,
  ErrorView,
  GatewayState,
  IntegrationView,
  KeyView,
  LastDay,
  NewKey,
  NewKeyView,
  Permissions,
  ProbeStep,
  RestoreReport,
  RunningView,
  SecretRequest,
  Settings,
  SettingsInForce,
  SignInRequest,
  SignInView,
  Step,
  StepReport,
  TrialCall,
  Written,
}
export type { Cloud } from './types/Cloud'
export type { GraphReach } from './types/GraphReach'
export type { Permission } from './types/Permission'
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
export type { ActivityRow } from './types/ActivityRow'
export type { Fix } from './types/Fix'
export type { Kind } from './types/Kind'
export type { ProblemCode } from './types/ProblemCode'
export type { LogLevel } from './types/LogLevel'
export type { ProgramUsage } from './types/ProgramUsage'
export type { Theme } from './types/Theme'
export type { Toolkit } from './types/Toolkit'

/** What the page may ask of the app. Every rejection is an {@link ErrorView}. */
export interface Backend {
  startUp(): Promise<AppInfo>
  tryAgain(): Promise<AppInfo>
  painted(): Promise<void>
  closeAnyway(): Promise<void>
  /** Keeps the choice and closes the window. */
  closeWindow(onClose: OnClose): Promise<void>
  openDataFolder(): Promise<void>
  copyText(text: string): Promise<void>
  /** Asks the window to close, as its frame does. */
  askClose(): Promise<void>
  setZoom(factor: number): Promise<void>
  /** What {@link Backend.keepView} was given last. */
  keptView(): Promise<string | null>
  keepView(text: string): Promise<void>

  listKeys(): Promise<KeyView[]>
  /** In force at once where no key is live, else once it is taken. */
  createKey(asked: NewKey): Promise<NewKeyView>
  /** The new key whose dialog is open, also after the page was loaded again. */
  heldNewKey(): Promise<NewKeyView | null>
  /** Resolves to its text. */
  revealNewKey(id: string): Promise<string>
  /** Puts it in force; the key before ends. So do copying and writing it. */
  issueNewKey(id: string): Promise<void>
  /** A first call with it through the gateway. */
  tryNewKey(id: string): Promise<TrialCall>
  describeKey(id: string, name: string, note: string): Promise<KeyView>
  revokeKey(id: string, reason: RevokeReason | null): Promise<KeyView>
  recentCallers(id: string): Promise<CallerView[]>
  lastDay(): Promise<LastDay>
  /** Copies it: alone, or in place of the placeholder of this sample. */
  copyNewKey(id: string, inside: string | null): Promise<void>
  /** Asks for the file; `null`: none was chosen. So do all that write or read one. */
  writeNewKey(id: string, program: string | null): Promise<EnvFileWritten | null>
  /** Where programs of these names run now, in their order. */
  whereProgramsRun(programs: string[]): Promise<(RunningView | null)[]>
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
  saveReturnPage(id: string): Promise<Written<null> | null>
  /** Opens one of Microsoft's pages in the browser. */
  openLink(link: string): Promise<void>

  listConnections(): Promise<ConnectionView[]>
  beginSignIn(request: SignInRequest): Promise<SignInView>
  /** For a browser that can't reach this machine. */
  beginDeviceSignIn(request: SignInRequest): Promise<SignInView>
  signIn(id: string): Promise<SignInView | null>
  openSignIn(id: string): Promise<void>
  /** Gives it up, also where somebody signed in who is not the right one. */
  cancelSignIn(id: string): Promise<void>
  unconfirmedSignIns(): Promise<SignInView[]>
  /** The right account signed in. */
  confirmSignIn(id: string): Promise<void>
  probeConnection(id: string): Promise<ProbeStep[]>
  disconnect(id: string): Promise<void>
  /** What agents may do through a connection from now on. */
  setPermissions(id: string, permissions: Permissions): Promise<void>
  /** What agents want to do and a person has to answer, the oldest first. */
  waitingApprovals(): Promise<ApprovalView[]>
  /** It may be done once, as it was shown or as it was changed; with `recipientsToo`, whoever receives it may receive
   * more for an hour. */
  approve(id: string, recipientsToo: boolean, edit: Edit): Promise<void>
  deny(id: string): Promise<void>
  explainErrorCode(code: string): Promise<AuthorityFailure>

  usageReport(span: Span): Promise<UsageReport>
  /** Resolves to the number of rows. */
  exportUsage(span: Span, format: Format): Promise<Written<number> | null>
  activityPage(filter: ActivityFilter, before: number | null): Promise<ActivityPage>
  verifyActivity(): Promise<Chain>
  exportActivity(filter: ActivityFilter, format: Format): Promise<Written<number> | null>
  exportTimeline(filter: TimelineFilter, form: TimelineForm): Promise<Written<number> | null>
  attention(): Promise<Attention[]>
  troubledCalls(): Promise<TroubledCall[]>
  explainRefusal(requestId: string): Promise<Explanation>
  selfCheck(): Promise<Finding[]>

  gatewayState(): Promise<GatewayState>
  getSettings(): Promise<SettingsInForce>
  saveSettings(settings: Settings, credential: SecretRequest): Promise<SettingsInForce>
  /** The names of the settings that the machine's administrator has fixed. */
  fixedSettings(): Promise<string[]>
  /** Where the profile lies and who shares it; `null`: it is this machine's alone. */
  sharedProfile(): Promise<SharedView | null>
  /** Whether this window runs a gateway on this machine, where hosts share the profile. */
  runGatewayHere(runs: boolean): Promise<void>
  /** Takes a host that is gone off the list. */
  forgetHost(id: string): Promise<void>
  /** Copies this machine's profile to PostgreSQL; then the app starts anew. */
  shareProfile(url: string, password: string | null): Promise<void>
  /** What the chosen invite is called; `null`: none was chosen. */
  chooseInvite(): Promise<string | null>
  /** Joins with the chosen invite; then the app starts anew. */
  joinSharedProfile(passphrase: string): Promise<void>
  /** Goes back to the rows of this machine; then the app starts anew. */
  leaveSharedProfile(): Promise<void>
  /** Resolves to what answered. */
  testRuntime(url: string): Promise<string>
  stopEverything(): Promise<void>
  resumeEverything(): Promise<void>
  backUp(): Promise<Written<null> | null>
  /** Resolves to the file, to be shown; `restore` puts it back. */
  chooseRestore(): Promise<string | null>
  restore(): Promise<RestoreReport>
  reset(): Promise<void>
  copyDiagnostics(): Promise<void>

  /** Returns a function that stops listening. */
  onChange(listener: (change: Change) => void): () => void
  /** The window was asked to close while a new key is not copied. */
  onCloseHeld(listener: () => void): () => void
  /** The person has to say what closing the window is to do. */
  onCloseAsked(listener: () => void): () => void
}

/** The error as the page can show it, also where something unforeseen was thrown. */
export function errorView(thrown: unknown): ErrorView {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'remedy' in thrown) {
    return thrown as ErrorView
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return { code: 'internal', message, remedy: 'Try again; if it stays, restart the app.' }
}
