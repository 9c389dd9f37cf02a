import type { ActivityRow, Kind } from '../../lib/backend/backend'
import { text } from '../../lib/text/en'

/** What belongs together in the filter. */
export const groups: Record<keyof typeof text.activity.groups, Kind[]> = {
  all: [],
  keys: [
    'key_created',
    'key_revoked',
    'key_expired',
    'key_ended_by_update',
    'key_described',
    'refusal_burst',
  ],
  integrations: [
    'integration_added',
    'integration_changed',
    'integration_removed',
    'default_changed',
    'preflight',
    'secret_missing',
    'secret_swept',
  ],
  connections: ['sign_in', 'sign_in_refused', 'refresh', 'disconnected', 'permissions_changed'],
  agents: [
    'tool_called',
    'graph_call',
    'token_handed',
    'approval_asked',
    'approval_given',
    'approval_denied',
    'act_performed',
  ],
  settings: [
    'settings_changed',
    'policy_applied',
    'record_cut',
    'stopped',
    'resumed',
    'backed_up',
    'restored',
    'was_reset',
    'profile_shared',
    'host_invited',
    'host_joined',
    'host_left',
    'host_forgotten',
    'fleet_key_changed',
  ],
}

/** What was done, in words; a word of a newer version stays as it is. */
export const what = (row: ActivityRow): string =>
  (text.activity.kinds as Record<string, string>)[row.kind] ?? row.kind

/** The window, the shell, the gateway or the administrator. */
export const actor = (row: ActivityRow): string =>
  (text.activity.actors as Record<string, string>)[row.actor] ?? row.actor

/** The person, where the account of the machine is known. */
const who = (row: ActivityRow): string => said(row, 'os_user') || actor(row)

/** What ids stand for today. */
export type Names = (id: string) => string | undefined

/** What came of it. */
export const outcomeOf = (row: ActivityRow): string =>
  row.outcome === 'failed' || row.outcome === 'unknown'
    ? text.activity.outcomes[row.outcome]
    : text.activity.outcomes.done

/** What it was done to, as people call it. */
export function subject(row: ActivityRow, names: Names = () => undefined): string {
  const named = ['account', 'name'].map((field) => row.detail[field])
  const name = named.find((value) => typeof value === 'string' && value !== '')
  return typeof name === 'string' ? name : (names(row.subject) ?? row.subject)
}

const said = (row: ActivityRow, field: string): string => {
  const value = row.detail[field]
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

const verbs: Record<string, string> = text.activity.verbs

/** Subjects of which there is one: what was done to them names them. */
const ONLY_ONES = ['settings', 'database', 'record', 'gateway']

/** A row as a sentence: who did what to whom, and what else matters at its end. */
export interface Sentence {
  who: string
  does: string
  whom: string
  aside: string
}

export function sentence(row: ActivityRow, names: Names): Sentence {
  const words = text.activity
  const whom = ONLY_ONES.includes(row.subject) ? '' : subject(row, names)
  const program = said(row, 'program')
  const key = said(row, 'key')
  const with_key = key ? words.withKey(key) : ''
  switch (row.kind) {
    case 'graph_call': {
      const verb = verbs[said(row, 'method')] ?? said(row, 'method')
      const path = said(row, 'path').replace(/^\/(v1\.0|beta)/, '')
      return {
        who: program || words.someProgram,
        does: words.graph(verb, path),
        whom,
        aside: [said(row, 'status'), with_key].filter(Boolean).join(' · '),
      }
    }
    case 'approval_asked':
    case 'act_performed':
      return {
        who: program || words.someProgram,
        does:
          row.outcome === 'unknown'
            ? words.begun
            : ((words.does as Record<string, string>)[row.kind] ?? row.kind),
        whom,
        aside: said(row, 'tool'),
      }
    case 'tool_called':
      return {
        who: program || words.someProgram,
        does: words.usedTool(said(row, 'tool')),
        whom,
        aside: [said(row, 'problem'), with_key].filter(Boolean).join(' · '),
      }
    case 'token_handed':
      return { who: program || words.someProgram, does: words.gotAccess, whom, aside: with_key }
    case 'refusal_burst':
      return {
        who: program,
        does: words.burst,
        whom: '',
        aside: text.refusals.reasons[said(row, 'reason')] ?? said(row, 'reason'),
      }
    default: {
      const aside = [
        said(row, 'os_user') && actor(row),
        said(row, 'toolkit'),
        said(row, 'reason'),
        said(row, 'problem'),
      ]
        .filter(Boolean)
        .join(' · ')
      const does = (words.does as Record<string, string>)[row.kind] ?? row.kind
      return { who: who(row), does, whom, aside }
    }
  }
}

/** A detail as one line. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(asText).join(', ')
  return value === null ? '–' : JSON.stringify(value)
}
